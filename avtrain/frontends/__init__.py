"""Front ends: from decoded signals to the inputs of an encoder, spectrograms and normalised images."""
