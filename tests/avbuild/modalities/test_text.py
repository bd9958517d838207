"""The `text` modality through all of avbuild."""

import unicodedata
from pathlib import Path

import datasets
import pytest

from avbuild.dataset.build_record import read_build
from avbuild.dataset.storage import Folder
from avbuild.modalities.base import Unreadable
from avbuild.modalities.text import TEXT, read_text
from avbuild.scenarios.manifest_file import load_manifest
from tests.support.commands import rows, succeed
from tests.support.text_data import TEXTS, write_three


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with T and D on disk; do not change it."""
    folder = tmp_path_factory.mktemp("three") / "three"
    write_three(folder)
    succeed("corrupt", "--scenario", "T,D", "--data", folder, "--workers", 1)
    return folder


def test_a_text_is_stored_whole_in_nfc(data: Path) -> None:
    stored = {row["id"]: row["text"] for row in rows(data, "C", "train") + rows(data, "C")}
    for id, text in stored.items():
        number = int(id[1:])
        expected = f"{TEXTS[number % 4]} ({number})" if number % 4 < 3 else ""
        assert text == unicodedata.normalize("NFC", expected)


def test_an_intact_data_set_verifies_and_stock_datasets_loads_it(data: Path, tmp_path: Path) -> None:
    assert "intact" in succeed("verify", data)
    loaded = datasets.load_dataset(str(data), "D", split="test", cache_dir=str(tmp_path))
    assert loaded.features["text"] == datasets.Value("string")
    assert loaded.features["text_missing"] == datasets.Value("bool")
    assert all(isinstance(text, str) for text in loaded["text"])


def test_the_default_scenarios_are_every_set_of_the_modalities(data: Path) -> None:
    assert list(load_manifest(data / "manifest.yaml").scenarios) == ["C", "A", "V", "T", "AV", "AT", "VT", "D"]
    assert read_build(Folder(data)).modalities == ("audio", "image", "text")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("caf\u00e9".encode("latin-1"), "not UTF-8: byte 0xe9 at byte 3"),
        ("hello".encode("utf-16"), "not UTF-8: byte 0xff at byte 0"),
        ("hello".encode("utf-16-le"), "holds NUL characters"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused(data: bytes, expected: str) -> None:
    with pytest.raises(Unreadable, match=expected):
        TEXT.read(data, 1.0)


def test_a_source_may_declare_another_encoding() -> None:
    assert read_text("caf\u00e9".encode("cp1252"), "cp1252") == "caf\u00e9"
    assert read_text("hello".encode("utf-16"), "utf-16") == "hello"


def test_a_byte_order_mark_is_dropped_and_line_ends_stay() -> None:
    assert TEXT.read("\ufeffone\r\ntwo\n".encode(), 1.0) == "one\r\ntwo\n"
    assert TEXT.read(b"", 1.0) == ""
