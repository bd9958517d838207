"""CIFAR-10's batches: what the official files hold is read; anything else is one error and runs nothing."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbuild.errors import UserError
from avbuild.sources.cifar10 import read_cifar10
from avbuild.sources.cifar10_batches import load_batch
from tests.fuzz.damage import no_hang

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3072)).astype(np.uint8)
BATCH = {"data": PIXELS, "labels": [1, 0, 9], "batch_label": "b", "filenames": ["x.png"] * 3}


def written(folder: Path, data: bytes) -> Path:
    (folder / "data_batch_1").write_bytes(data)
    return folder / "data_batch_1"


class Run:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_batch_is_read_from_each_protocol(tmp_path: Path, protocol: int) -> None:
    pixels, labels = load_batch(written(tmp_path, pickle.dumps(BATCH, protocol)))
    assert np.array_equal(pixels, PIXELS)
    assert labels == [1, 0, 9]


def test_a_batch_that_python_2_wrote_is_read(tmp_path: Path) -> None:
    content = PIXELS.tobytes()
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = b"(K\x01K\x03M\x00\x0c\x86" + kind + b"\x89"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R" + state
    array += b"T" + len(content).to_bytes(4, "little") + content + b"tb"
    data = b"\x80\x02}(U\x04data" + array + b"U\x06labels](K\x01K\x00K\x09eu."
    pixels, labels = load_batch(written(tmp_path, data))
    assert np.array_equal(pixels, PIXELS)
    assert labels == [1, 0, 9]


@pytest.mark.parametrize(
    "call",
    [
        (os.system, ("touch ran",)),
        (getattr, ("x", "upper")),
        (np.save, ("ran", PIXELS)),
        (np.frombuffer, (b"x",)),
        (np.zeros, ((1 << 30,),)),
    ],
)
def test_no_other_name_is_loaded(tmp_path: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in (2, 4):
        with pytest.raises(UserError, match="which no official one does; it was not opened"):
            load_batch(written(tmp_path, pickle.dumps({**BATCH, "data": Run(*call)}, protocol)))
    assert os.listdir(tmp_path) == ["data_batch_1"]


@pytest.mark.parametrize("name", ["ndarray.tofile", "dtype.__class__", "core.multiarray._reconstruct.__globals__"])
def test_no_attribute_of_an_official_name_is_loaded(tmp_path: Path, name: str) -> None:
    data = b"\x80\x04\x8c\x05numpy\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
    with pytest.raises(UserError, match="which no official one does"):
        load_batch(written(tmp_path, data))


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        ({}, "needs data and labels"),
        ([], "needs data and labels"),
        ({**BATCH, "data": 1}, "no array of bytes"),
        ({**BATCH, "data": PIXELS.astype(np.float32)}, "no array of bytes"),
        ({**BATCH, "data": PIXELS[:, :100]}, r"the shape \(3, 100\)"),
        ({**BATCH, "data": PIXELS.ravel()}, r"the shape \(9216,\)"),
        ({**BATCH, "data": np.array([{}])}, "an array of objects"),
        ({**BATCH, "labels": [1, 0]}, "one label for each of its 3 images"),
        ({**BATCH, "labels": [1, 0, 10]}, "not all from 0 to 9"),
        ({**BATCH, "labels": [1, 0, True]}, "not all from 0 to 9"),
        ({**BATCH, "data": PIXELS[:0], "labels": []}, "batch file"),
        ({**BATCH, "labels": {1, 0, 9}}, "batch file"),
    ],
)
def test_a_batch_of_another_form_is_one_error(tmp_path: Path, batch: object, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        load_batch(written(tmp_path, pickle.dumps(batch, 2)))
    assert "\n" not in str(caught.value)


def test_bombs_are_refused_at_once(tmp_path: Path) -> None:
    tuples = b"\x80\x02)q\x00" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))
    for data in (
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo of 2^31 entries, which takes 32 GB in C
        tuples + b"}h\x3ch\x3cs.",  # a key whose hash takes 2^60 steps
        b"\x80\x02T\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
        b"(" * 100_000 + b"." ,
    ):  # fmt: skip
        with no_hang(), pytest.raises(UserError):
            load_batch(written(tmp_path, data))
    with written(tmp_path, b"").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="more than any official file has"):
        read_cifar10(tmp_path, {"data_batch_1": None})


def test_truncated_and_empty_batches_without_a_checksum_are_one_error(tmp_path: Path) -> None:
    whole = pickle.dumps(BATCH, 2)
    for size in (0, 1, 2, 100, len(whole) // 2, len(whole) - 1):
        written(tmp_path, whole[:size])
        with pytest.raises(UserError, match="is damaged, or no CIFAR-10 batch file"):
            read_cifar10(tmp_path, {"data_batch_1": None})
