"""Methods: one file each; large ones are folders. To add one: a file with a `Method`, and a line in registry.py."""
