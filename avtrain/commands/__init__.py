"""What single `avtrain` commands do with their arguments. Everything heavy is imported inside a command."""
