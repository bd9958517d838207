"""Methods, one file each, large ones in a folder.  To add one: a file with a `Method`, and a line in registry.py."""
