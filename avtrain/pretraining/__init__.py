"""Self-supervised pretraining of CAV-MAE on audio-visual pairs."""
