"""`python -m avtrain`, which is what torchrun starts: `torchrun --nproc-per-node 2 -m avtrain fit ...`."""

from avtrain.cli import main

main()
