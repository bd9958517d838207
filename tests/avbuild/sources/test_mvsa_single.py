"""`avbuild make mvsa-single`: label rules, encodings, the published split and its leak, and the clean split."""

import json
from pathlib import Path
from typing import Any

import pytest

from avbuild.scenarios.manifest_file import load_manifest
from avbuild.sources.mvsa_lists import combined
from tests.conftest import REPOSITORY
from tests.support.commands import fail, rows, succeed
from tests.support.published_trees import write_mvsa_single

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MVSA-Single of 40 posts; do not change it."""
    return write_mvsa_single(tmp_path_factory.mktemp("mvsa") / "MVSA_Single")


def make(root: Path, out: Path, *more: object) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the rows by id, with their split under "in", and build.json."""
    succeed("make", "mvsa-single", "--root", root, "--out", out, "--workers", 1, *more)
    folder = out / "mvsa-single"
    found = {row["id"]: row | {"in": split} for split in SPLITS for row in rows(folder, "C", split)}
    return found, json.loads((folder / "build.json").read_text())


@pytest.mark.parametrize(
    ("pair", "equal", "polar"),
    [
        (("positive", "positive"), "positive", "positive"),
        (("neutral", "neutral"), "neutral", "neutral"),
        (("neutral", "negative"), None, "negative"),
        (("positive", "neutral"), None, "positive"),
        (("positive", "negative"), None, None),
        (("negative", "positive"), None, None),
    ],
)
def test_label_rules(pair: tuple[str, str], equal: str | None, polar: str | None) -> None:
    assert combined(pair, "equal") == equal
    assert combined(pair, "polar") == polar


def test_posts_of_one_label_with_their_texts_decoded_and_copies_in_one_split(root: Path, tmp_path: Path) -> None:
    found, build = make(root.parent, tmp_path)  # the folder around it
    assert found.keys() == {str(k) for k in range(1, 41) if k % 10}
    assert found["7"]["text"] == "RT @user: post 7 #tag … \n"
    assert found["8"]["text"] == "RT @user: post 8 #tag \n"
    assert found["1"]["image"]["bytes"] == (root / "data" / "1.jpg").read_bytes()
    assert build["classes"] == ["negative", "neutral", "positive"]
    assert found["2"]["group"] == found["3"]["group"]
    assert found["4"]["group"] == found["5"]["group"] == found["6"]["group"]
    split_of: dict[str, str] = {}
    assert all(split_of.setdefault(row["group"], row["in"]) == row["in"] for row in found.values())
    assert not build["leaky"]
    notes = "\n".join(build["notes"])
    assert "1 identical pictures and 1 identical texts are in more than one of its lists; here" in notes
    assert "5 of 36 texts are not UTF-8" in notes
    assert "labelResultAll.txt is not the published one" in notes
    assert {entry["what"] for entry in build["left_out"]} == {
        "labels differ: text negative, image neutral",
        "labels differ: text neutral, image positive",
        "labels differ: text positive, image negative",
    }
    assert {entry["path"] for entry in build["left_out"]} == {f"MVSA_Single/data/{k}" for k in (10, 20, 30, 40)}
    card = (tmp_path / "mvsa-single" / "README.md").read_text()
    assert "terms unknown: its authors state none" in card


def test_the_published_split_is_followed_and_called_leaky(root: Path, tmp_path: Path) -> None:
    found, build = make(root, tmp_path, "--split", "published")
    for name, split in (("train", "train"), ("dev", "validation"), ("test", "test")):
        listed = [json.loads(line)["id"] for line in (root / f"{name}.jsonl").read_text().splitlines()]
        assert {id for id, row in found.items() if row["in"] == split} == set(listed)
    assert build["leaky"]
    assert build["recipe"]["split"] == "published"
    assert any(note.startswith("Leaky: 2 posts stand in more than one split") for note in build["notes"])
    assert "**Leaky split**" in (tmp_path / "mvsa-single" / "README.md").read_text()


def test_neutral_gives_way_on_request(root: Path, tmp_path: Path) -> None:
    found, build = make(root, tmp_path, "--label-rule", "polar")
    lines = dict(line.split("\t") for line in (root / "labelResultAll.txt").read_text().splitlines()[1:])
    for id, pair in lines.items():
        expected = combined(tuple(pair.split(",")), "polar")  # type: ignore[arg-type]
        assert (build["classes"][found[id]["label"]] if id in found else None) == expected
    assert build["recipe"]["label_rule"] == "polar"


def test_missing_files_and_lists_that_contradict_are_named(tmp_path: Path) -> None:
    root = write_mvsa_single(tmp_path / "MVSA_Single")
    (root / "data" / "1.jpg").unlink()
    (root / "data" / "2.txt").write_bytes(b"\xff\xff")
    with (root / "labelResultAll.txt").open("a") as file:
        file.write("1\tpositive,positive\nno labels\n")
    message = fail("make", "mvsa-single", "--root", root, "--out", tmp_path / "out", "--workers", 1)
    for what in ("1.jpg: missing", "neither UTF-8 nor GB 18030", "line 42: duplicate id: 1", "line 43: no labels"):
        assert what in message
    with (root / "dev.jsonl").open("a") as file:
        file.write('{"id": "5", "label": "neutral"}\n{"id": "10", "label": "neutral"}\nx\n')
    command = ("make", "mvsa-single", "--root", root, "--out", tmp_path / "out", "--skip-bad", "--split", "published")
    message = fail(*command)
    assert "listed twice: 5 is already in the train list" in message
    assert "not JSON" in message
    (root / "dev.jsonl").unlink()
    assert "has no dev.jsonl; get the lists" in fail(*command)


def test_where_it_is_not_there_the_error_says_what_was_looked_for(tmp_path: Path) -> None:
    assert "looked for labelResultAll.txt and data/" in fail(
        "make", "mvsa-single", "--root", tmp_path, "--out", tmp_path
    )
    message = fail("make", "mvsa-single", "--sources", tmp_path, "--out", tmp_path)
    assert "give its folder with --root" in message
    assert "mcrlab.net" in message


def test_the_shipped_manifest_equals_the_default_one(root: Path, tmp_path: Path) -> None:
    make(root, tmp_path)
    shipped = load_manifest(REPOSITORY / "manifests" / "mvsa-single.yaml")
    made = load_manifest(tmp_path / "mvsa-single" / "manifest.yaml")
    assert Path(shipped.dataset).name == made.name == "mvsa-single"
    assert {s: shipped.scenario_hash(s) for s in shipped.scenarios} == {
        s: made.scenario_hash(s) for s in made.scenarios
    }


@pytest.mark.pilot
def test_the_real_corpus_has_the_published_counts_and_leaks(pilot: Path, tmp_path: Path) -> None:
    found, build = make(pilot / "mvsa_single", tmp_path, "--split", "published")
    assert {split: sum(counts.values()) for split, counts in build["per_class"].items()} == {
        "train": 1_555, "validation": 518, "test": 519,
    }  # fmt: skip
    assert build["per_class"]["train"] == {"negative": 422, "neutral": 282, "positive": 851}
    notes = "\n".join(build["notes"])
    # 11 pictures as published; scaling made a twelfth pair equal
    assert "12 identical pictures and 52 identical texts are in more than one of its lists" in notes
    assert "576 of 2,592 texts are not UTF-8" in notes
    assert "not the published one" not in notes
    assert build["leaky"]
    assert len(build["left_out"]) == 2_277
    assert found["1000"]["text"].endswith("Can't … \n")
    clean, build = make(pilot / "mvsa_single", tmp_path / "clean")
    assert not build["leaky"]
    split_of: dict[str, str] = {}
    for key in ("group", "text"):
        assert all(split_of.setdefault(row[key], row["in"]) == row["in"] for row in clean.values())
    pictures: dict[bytes, str] = {}
    assert all(pictures.setdefault(row["image"]["bytes"], row["in"]) == row["in"] for row in clean.values())
