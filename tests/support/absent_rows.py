"""What every method promises of modalities that a sample does not have."""

from dataclasses import replace

import torch

from avtrain.data.batch import Batch
from avtrain.methods.base import Method


def assert_absent_rows_do_not_matter(method: Method, batch: Batch) -> None:
    """Whatever stands in an absent row, the logits are the same; but they are not those of a sample that has it."""
    for gone in ("audio", "image"):
        there = batch.present[gone].clone()
        there[::2] = False
        rows = batch.inputs[gone].clone()
        rows[::2] = 7.0
        present = {**batch.present, gone: there}
        one = method(replace(batch, present=present)).logits
        other = method(replace(batch, present=present, inputs={**batch.inputs, gone: rows})).logits
        torch.testing.assert_close(one, other)
        assert not torch.allclose(one[::2], method(batch).logits[::2])
