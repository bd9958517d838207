"""The spiking transformer: neurons, attention and blocks, and the method made of them."""
