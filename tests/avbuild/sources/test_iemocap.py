"""`avbuild make iemocap`: four classes, whole sessions for test, folds, and no transcript outside the shards."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import fail, rows, succeed
from tests.support.published_trees import write_iemocap

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IEMOCAP of five sessions; do not change it."""
    return write_iemocap(tmp_path_factory.mktemp("iemocap") / "IEMOCAP_full_release")


def make(root: Path, out: Path, *more: object) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    succeed("make", "iemocap", "--root", root, "--out", out, "--workers", 1, *more)
    folder = out / "iemocap"
    found = {row["id"]: row | {"in": split} for split in SPLITS for row in rows(folder, "C", split)}
    return found, json.loads((folder / "build.json").read_text())


def test_utterances_of_four_classes_with_their_words(root: Path, tmp_path: Path) -> None:
    found, build = make(root, tmp_path)
    assert len(found) == 5 * 2 * 5
    assert build["classes"] == ["anger", "happiness", "neutral", "sadness"]
    row = found["Ses03F_impro01_M004"]  # excited
    assert (row["text"], row["label"], row["group"], row["fold"]) == ("Secret words 3 M 4.", 1, "Ses03M", 3)
    assert {entry["what"] for entry in build["left_out"]} == {"none of the four classes: frustration"}
    assert len(build["left_out"]) == 10
    assert any("where publications have 5,531: anger 10 of 1,103" in note for note in build["notes"])
    in_test = {row["fold"] for row in found.values() if row["in"] == "test"}
    assert len(in_test) == 1  # a whole session, so that no dialog is in train and test
    assert not in_test & {row["fold"] for row in found.values() if row["in"] != "test"}
    assert len({row["group"] for row in found.values() if row["in"] == "validation"}) == 1
    assert not build["leaky"]
    other, _ = make(root, tmp_path / "seed", "--seed", 1)
    assert {row["fold"] for row in other.values() if row["in"] == "test"} != in_test


def test_transcripts_are_in_the_shards_alone(root: Path, tmp_path: Path) -> None:
    make(root, tmp_path)
    for path in (tmp_path / "iemocap").iterdir():
        assert path.is_dir() or "Secret words" not in path.read_text(), path
    assert "no redistribution" in (tmp_path / "iemocap" / "README.md").read_text()


def test_a_session_is_a_fold(root: Path, tmp_path: Path) -> None:
    found, build = make(root, tmp_path, "--folds", "all")
    assert all((row["in"] == "test") == (row["fold"] == 5) for row in found.values())
    assert build["split"].startswith("official folds: 5 tests")
    found, _ = make(root, tmp_path / "two", "--folds", "1,2,4")
    assert {row["fold"] for row in found.values()} == {1, 2, 4}


def test_what_is_missing_or_odd_is_named(tmp_path: Path) -> None:
    root = write_iemocap(tmp_path / "IEMOCAP_full_release", sessions=4)
    place = root / "Session1"
    (place / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_F000.wav").unlink()
    evaluation = place / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    with evaluation.open("a") as file:
        file.write(
            "[1.0 - 2.0]\tSes02F_impro01_F009\tneu\t[1, 2, 3]\n[1.0 - 2.0]\tSes01F_impro01_M000\tneu\t[1, 2, 3]\n"
        )
    words = root / "Session2" / "dialog" / "transcriptions" / "Ses02F_impro01.txt"
    words.write_text(words.read_text().replace("Ses02F_impro01_F001 ", "Ses02F_impro01_F00x "))
    message = fail("make", "iemocap", "--root", root, "--out", tmp_path / "out", "--workers", 1)
    for what in (
        "Ses01F_impro01_F000.wav: missing",
        "not a turn of its dialog: expected [START - END], Ses01F_impro01_F000",
        "listed twice: Ses01F_impro01_M000",
        "Ses02F_impro01_F001.wav: no transcript",
        "Session5/dialog/EmoEvaluation: missing",
    ):
        assert what in message
    found, build = make(root, tmp_path / "out", "--skip-bad")
    assert len(found) == 4 * 2 * 5 - 2
    assert "Secret words" not in json.dumps(build)


def test_one_session_is_not_enough(tmp_path: Path) -> None:
    root = write_iemocap(tmp_path / "IEMOCAP", sessions=1)
    message = fail("make", "iemocap", "--root", root, "--out", tmp_path / "out", "--skip-bad")
    assert "utterances of 1 sessions and 2 speakers" in message
