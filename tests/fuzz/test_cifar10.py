"""Damaged CIFAR-10 batches: sound shapes and labels, or one error; never a traceback or a hang."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from avbuild.errors import UserError
from avbuild.sources.cifar10_batches import load_batch
from tests.fuzz.damage import CASES, cases, no_hang

PIXELS = np.random.default_rng(0).integers(0, 256, (1, 3072)).astype(np.uint8)


@pytest.mark.parametrize("protocol", [2, 4])
def test_damaged_batches(tmp_path: Path, protocol: int) -> None:
    whole = pickle.dumps({"labels": [4], "filenames": ["x.png"], "data": PIXELS}, protocol)
    path = tmp_path / "data_batch_1"
    rest = 500  # most bytes are pixels: damage those before them too
    damaged = [*cases(whole, protocol, 4 * CASES)]
    damaged += [(kind, data + whole[rest:]) for kind, data in cases(whole[:rest], protocol, 4 * CASES)]
    for kind, data in damaged:
        path.write_bytes(data)
        with no_hang():
            try:
                pixels, labels = load_batch(path)
            except UserError as error:
                assert len(str(error)) < 1_000
            else:
                assert pixels.shape == (len(labels), 3072), kind
                assert all(0 <= label <= 9 for label in labels)
