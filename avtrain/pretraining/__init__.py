"""Self-supervised pretraining of CAV-MAE."""
