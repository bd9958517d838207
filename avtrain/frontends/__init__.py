"""From decoded signals to what encoders read: spectrograms and normalised images."""
