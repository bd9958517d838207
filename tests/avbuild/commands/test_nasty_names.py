"""Names that hold markup or control characters do no harm where they are shown."""

import json
import re
import shutil
from pathlib import Path

import pytest

from avbuild.dataset.build_record import LeftOutFile, read_build
from avbuild.dataset.storage import Folder
from avbuild.escaping import as_file_name, in_markdown, in_markdown_code, visible
from tests.support.commands import fail, succeed

NASTY = "[bold]<script>alert(1)</script>|`x`\x1b[31m\n# head \u202e*_y_*"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture
def data(small_data: Path, tmp_path: Path) -> Path:
    """A data set whose class, partner, note, split, source and file left out are called nasty names."""
    folder = Folder(shutil.copytree(small_data, tmp_path / "data"))
    build = read_build(folder)
    first = build.classes[0]
    classes = (NASTY, *build.classes[1:])
    match = build.pairing[first].model_copy(update={"partners": (NASTY,)})
    changes = {
        "classes": classes,
        "per_class": {
            split: {NASTY if name == first else name: count for name, count in counts.items()}
            for split, counts in build.per_class.items()
        },
        "pairing": {NASTY: match, **{name: found for name, found in build.pairing.items() if name != first}},
        "notes": (NASTY,),
        "split": NASTY,
        "title": NASTY,
        "sources": (build.sources[0].model_copy(update={"name": NASTY, "licence": NASTY, "citation": NASTY}),),
        "left_out": (LeftOutFile(path=NASTY, what=NASTY),),
    }
    build.model_copy(update=changes).write(folder)
    succeed("card", folder)
    return tmp_path / "data"


def test_the_terminal_shows_them_whole(data: Path) -> None:
    out = succeed("inspect", data)
    assert not CONTROL.search(out)
    assert "[bold]<script>alert(1)</script>|`x`\\u001b[31m\\u000a# head" in out
    assert not CONTROL.search(succeed("verify", data))


def test_the_card_has_no_markup_of_theirs(data: Path) -> None:
    text = (data / "README.md").read_text()
    body = text.split("---\n", 2)[2]
    assert not CONTROL.search(text)
    assert "<script" not in body
    assert "\n# head" not in body
    rows = [line for line in body.splitlines() if line.startswith("|")]
    tables = [[row.count("|") for row in table] for table in tables_of(rows)]
    assert all(len(set(counts)) == 1 for counts in tables)


def tables_of(rows: list[str]) -> list[list[str]]:
    """Split rows of Markdown tables at the lines under their headers."""
    starts = [index - 1 for index, row in enumerate(rows) if set(row) <= set("| -")]
    return [rows[start:end] for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)]


def test_the_metadata_is_json_without_control_characters(data: Path) -> None:
    text = (data / "croissant.json").read_text()
    assert not CONTROL.search(text)
    assert NASTY.split("\x1b", maxsplit=1)[0] in json.loads(text)["description"]


def test_the_preview_shows_them_as_text(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    succeed("preview", data, "--scenario", "D", "--samples", 10, "--out", page)
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not CONTROL.search(text)


def test_ids_do_not_lead_out_of_the_folder() -> None:
    assert as_file_name("../../etc/x\n") == "_.._etc_x_u000a"
    assert len(as_file_name("é" * 400).encode()) <= 150


def test_usual_names_stay_as_they_are() -> None:
    for name in ("air_conditioner", "CC BY-NC 3.0 (Salamon & Bello)", "https://a.b/c_d", "dog – bark", "犬"):
        assert in_markdown(name) == visible(name) == name
    assert in_markdown_code("{image: missing}") == "`{image: missing}`"


def test_a_preview_replaces_only_previews(small_data: Path, tmp_path: Path) -> None:
    def preview(name: str) -> tuple[object, ...]:
        return ("preview", small_data, "--scenario", "D", "--samples", 1, "--out", tmp_path / name)

    for name in ("p.png", "build.json", "page"):
        assert "the page is an HTML file" in fail(*preview(name))
    (tmp_path / "mine.html").write_text("<p>mine")
    assert "was not written by avbuild preview" in fail(*preview("mine.html"))
    (tmp_path / "photo.png").write_bytes(b"photo")
    assert "photo.png is there and was not written" in fail(*preview("photo.html"))
    succeed(*preview("p.html"))
    succeed(*preview("p.html"))
    assert {path.name for path in tmp_path.iterdir()} == {"mine.html", "photo.png", "p.html", "p.png"}


def test_a_replay_needs_a_folder(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    message = fail("replay", "--id", "x", "--scenario", "D", "--data", small_data, "--out", tmp_path / "file")
    assert "a file is there; give a folder" in message
