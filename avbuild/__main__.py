"""`python -m avbuild`, the same as the command `avbuild`."""

from avbuild.cli import main

main()
