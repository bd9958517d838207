"""One file per `avtrain` command: it reads the arguments and calls the rest. Heavy imports stay inside functions."""
