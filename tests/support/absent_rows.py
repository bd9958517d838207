"""A property of every method: modalities that a sample does not have are left out."""

from dataclasses import replace

import torch

from avtrain.data.batch import Batch
from avtrain.methods.base import Method


def assert_absent_rows_do_not_matter(method: Method, batch: Batch) -> None:
    """Assert that logits do not depend on the content of absent rows, but do depend on their absence."""
    for absent in ("audio", "image"):
        is_present = batch.present[absent].clone()
        is_present[::2] = False
        rows = batch.inputs[absent].clone()
        rows[::2] = 7.0
        present = {**batch.present, absent: is_present}
        one = method(replace(batch, present=present)).logits
        other = method(replace(batch, present=present, inputs={**batch.inputs, absent: rows})).logits
        torch.testing.assert_close(one, other)
        assert not torch.allclose(one[::2], method(batch).logits[::2])
