"""The preview page: self-contained, every sample and severity on it, and what was really done."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avbuild.inspect.preview_page import describe_record
from avbuild.inspect.spectrogram import spectrogram
from tests.support.commands import fail, succeed


@pytest.mark.parametrize("scenario", ["D", "night_call"])
def test_the_page_holds_all_it_needs(small_data: Path, tmp_path: Path, scenario: str) -> None:
    page = tmp_path / "deep" / "page.html"
    out = succeed("preview", small_data, "--scenario", scenario, "--samples", 3, "--out", page)
    text = page.read_text()
    assert f"next: avbuild corrupt --scenario {scenario}" in out
    assert text.count("<tr>") == 1 + 3
    assert text.count("<audio") == 3 * 6  # clean and five severities, of which one is the manifest's
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "severity 5" in text
    sheet = Image.open(page.with_suffix(".png"))
    assert sheet.width > 6 * 128


def test_what_is_missing_is_said(small_data: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(small_data, tmp_path / "data"))
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text() + "  M: {image: missing}\n")
    succeed("preview", folder, "--scenario", "M", "--samples", 1, "--out", tmp_path / "m.html")
    assert "no image" in (tmp_path / "m.html").read_text()


def test_an_unknown_scenario_is_named(small_data: Path) -> None:
    assert 'no scenario "X"' in fail("preview", small_data, "--scenario", "X")


def test_a_record_in_words() -> None:
    record = {"audio": [{"op": "gain", "version": 1, "db": -6.0, "severity": 1, "unchanged": True}], "image": "missing"}
    assert describe_record(record) == [("audio", "gain: db -6, unchanged true"), ("image", "missing")]


def test_a_tone_is_bright_at_its_own_height() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    picture = spectrogram(tone, height=96, width=50).astype(int).sum(axis=2)
    rows = picture.mean(axis=1)
    mel = 2595 * np.log10(1 + np.array([60.0, 1000.0, 8000.0]) / 700)
    expected = 96 * (1 - (mel[1] - mel[0]) / (mel[2] - mel[0]))
    assert abs(int(rows.argmax()) - expected) < 3
    assert not np.diff(picture, axis=1).max() > 60  # steady in time
    assert spectrogram(np.zeros(3, np.float32)).max() < 30
