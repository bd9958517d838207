"""CPM-Net: free latents of the training samples, and what is fitted to them."""
