"""What each `avtrain` command does with its arguments. Everything heavy is imported inside a command."""
