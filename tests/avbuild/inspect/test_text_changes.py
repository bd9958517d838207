"""What a preview shows of a text: the changes marked, everything escaped, long texts shortened."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from avbuild.inspect.preview import PreviewCell
from avbuild.inspect.preview_page import cell_html
from avbuild.inspect.text_changes import MOST, TextPiece, shown_text
from avbuild.inspect.text_drawing import COLOURS, HEIGHT, draw_text
from avbuild.modalities.text import nfc
from tests.support.commands import succeed
from tests.support.text_data import write_three

plain = st.text(st.characters(exclude_categories=("Cs",)), max_size=60).map(nfc)


@given(clean=plain, text=plain)
def test_the_pieces_are_the_text_and_what_was_lost_is_the_rest_of_the_clean_one(clean: str, text: str) -> None:
    pieces = shown_text(text, clean).pieces
    assert "".join(piece.text for piece in pieces if piece.kind != "lost") == text
    if all(len(piece.text) < 60 for piece in pieces):  # no loss is shortened
        assert "".join(piece.text for piece in pieces if piece.kind != "changed") == (clean if clean != text else text)


def test_letters_are_marked_inside_words_and_words_as_a_whole() -> None:
    assert shown_text("the quick fix", "the quack old fix").pieces == (
        TextPiece("same", "the "),
        TextPiece("same", "qu"),
        TextPiece("lost", "a"),
        TextPiece("changed", "i"),
        TextPiece("same", "ck"),
        TextPiece("lost", " old"),
        TextPiece("same", " fix"),
    )


def test_a_long_text_is_shortened_and_its_length_is_said() -> None:
    clean = "word " * 1_000
    shown = shown_text(clean.replace("word ", "wodr ", 1), clean)
    assert shown.note == f"first {MOST} of 5,000 characters"
    assert "".join(piece.text for piece in shown.pieces if piece.kind != "lost") == ("wodr " + clean[5:])[:MOST]
    assert shown.pieces[-1].kind == "same"  # the rest of the clean text is not lost
    assert not shown_text("short").note


def cell(text: str | None, clean: str) -> PreviewCell:
    return PreviewCell("severity 3", "", ("text",), {"text": text}, {}, {}, {"text": clean})


@pytest.mark.parametrize("text", ["<b>bold</b>", "a & b", '" onload="x', "</blockquote><script>x</script>"])
def test_no_markup_of_a_text_reaches_the_page(text: str) -> None:
    for clean in (text, "something else", text + "<i>"):
        inside = re.sub("</?(?:mark|del)>", "", cell_html(cell(text, clean)).split("<blockquote>")[1].split("</bl")[0])
        assert not set('<>"') & set(inside)


def test_missing_and_empty_texts_are_said_and_line_ends_are_kept() -> None:
    assert "no text" in cell_html(cell(None, "a"))
    assert "empty text" in cell_html(cell("", ""))
    assert "one\ntwo\\u202ethree" in cell_html(cell("one\ntwo\u202ethree", "one\ntwo\u202ethree"))


def test_page_and_sheet_of_a_data_set_with_texts(tmp_path: Path) -> None:
    write_three(tmp_path / "three", count=30)
    succeed("preview", tmp_path / "three", "--scenario", "T", "--samples", 4, "--out", tmp_path / "t.html")
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert page.count("<tr>") == 1 + 4
    assert page.count("<blockquote>") + page.count("empty text") == 4 * 6
    assert "<mark>" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    with Image.open(tmp_path / "t.png") as sheet:
        assert sheet.height == 18 + 4 * (128 + 64 + 6 + HEIGHT)
        found = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 24) or []}  # type: ignore[misc]
    assert (0xC0, 0x3A, 0x00) in found  # a mark below what changed


def test_a_drawn_text_stays_in_its_box() -> None:
    sheet = Image.new("RGB", (200, 140), "white")
    draw_text(ImageDraw.Draw(sheet), shown_text("wide " * 80, "Wide " * 80), 20, 20, 100)
    inked: Any = np.argwhere((np.asarray(sheet) != 255).any(axis=2))
    assert inked.min(axis=0).tolist() >= [20, 20]
    assert inked.max(axis=0)[0] < 20 + HEIGHT
    assert inked.max(axis=0)[1] <= 121
    assert set(COLOURS) == {"same", "changed", "lost"}
