"""`avbuild make food-101`: the published titles, the JSON lines of MMBT, and copies across the published split."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.support.commands import fail, rows, succeed
from tests.support.published_trees import write_food_101

SPLITS = ("train", "validation", "test")


def make(root: Path, out: Path, *more: object) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    succeed("make", "food-101", "--root", root, "--out", out, "--workers", 1, *more)
    folder = out / "food-101"
    found = {row["id"]: row | {"in": split} for split in SPLITS for row in rows(folder, "C", split)}
    return found, json.loads((folder / "build.json").read_text())


def test_pictures_have_the_titles_of_their_pages(tmp_path: Path) -> None:
    root = write_food_101(tmp_path / "food101")
    with (root / "texts" / "train_titles.csv").open("a") as file:
        file.write("sushi_90.jpg,no quotes, but a comma,sushi\nsushi_91.jpg,,sushi\n")
    for name in ("sushi_90.jpg", "sushi_91.jpg"):
        shutil.copy(root / "images" / "train" / "sushi" / "sushi_1.jpg", root / "images" / "train" / "sushi" / name)
    found, build = make(root, tmp_path / "out")
    assert len(found) == 26
    assert found["apple_pie_3"]["text"] == 'apple_pie, "the best" of 3'
    assert found["sushi_90"]["text"] == "no quotes, but a comma"
    assert found["sushi_91"]["text"] is None
    assert found["sushi_91"]["text_missing"]
    assert found["sushi_1"]["group"] == found["sushi_90"]["group"] == found["sushi_91"]["group"]
    assert build["classes"] == ["apple_pie", "sushi"]
    notes = "\n".join(build["notes"])
    assert "2 classes are there; the published corpus has 101." in notes
    assert "1 pictures have an empty title" in notes
    assert "terms unknown" in (tmp_path / "out" / "food-101" / "README.md").read_text()


def test_the_published_split_and_its_leak(tmp_path: Path) -> None:
    root = write_food_101(tmp_path / "food101")
    images = root / "images"
    shutil.copy(images / "train" / "sushi" / "sushi_1.jpg", images / "test" / "sushi" / "sushi_0.jpg")
    found, build = make(root, tmp_path / "out", "--split", "published")
    assert {id for id, row in found.items() if row["in"] == "test"} == {
        f"{name}_{k}" for name in ("apple_pie", "sushi") for k in (0, 4, 8)
    }
    assert {row["in"] for row in found.values()} == set(SPLITS)  # a tenth of train validates
    assert build["leaky"]
    assert any("1 identical pictures and 0 identical titles" in note for note in build["notes"])
    _, build = make(root, tmp_path / "clean")
    assert not build["leaky"]


def test_json_lines_of_mmbt(tmp_path: Path) -> None:
    root = write_food_101(tmp_path / "food101")
    shutil.rmtree(root / "texts")
    for name, ids in (("train", range(1, 6)), ("dev", range(6, 8)), ("test", (0, 4, 8))):
        lines = []
        for k in ids:
            split = "test" if k % 4 == 0 else "train"
            image = f"{split}/sushi/sushi_{k}.jpg" if k % 2 else f"images/{split}/sushi/sushi_{k}.jpg"
            entry = {"id": f"sushi_{k}", "label": "sushi", "text": f"title {k}", "img": image}
            lines.append(json.dumps(entry))
        (root / f"{name}.jsonl").write_text("\n".join(lines))
    with (root / "test.jsonl").open("a") as file:
        file.write('\n{"id": "x", "label": "sushi", "text": "t", "img": "../../etc/passwd"}')
    message = fail("make", "food-101", "--root", root, "--out", tmp_path / "out", "--split", "published")
    assert "listed twice: sushi_4 is also in" in message
    assert "leads out of the corpus's folder" in message
    found, _ = make(root, tmp_path / "out", "--split", "published", "--skip-bad")
    assert {id: row["in"] for id, row in found.items()} == {
        **{f"sushi_{k}": "train" for k in range(1, 6)},
        **{f"sushi_{k}": "validation" for k in (6, 7)},
        **{f"sushi_{k}": "test" for k in (0, 8)},
    }


def test_missing_pictures_and_odd_lines_are_named(tmp_path: Path) -> None:
    root = write_food_101(tmp_path / "food101")
    (root / "images" / "train" / "sushi" / "sushi_1.jpg").unlink()
    with (root / "texts" / "test_titles.csv").open("a") as file:
        file.write("a/b.jpg,title,sushi\nsushi_9.jpg,title\n")
    message = fail("make", "food-101", "--root", root, "--out", tmp_path / "out")
    assert "sushi_1.jpg: missing" in message
    assert message.count("not a picture: expected image,title,class") == 2
    (root / "texts" / "test_titles.csv").unlink()
    assert "test_titles.csv: missing" in fail("make", "food-101", "--root", root, "--out", tmp_path / "out")
