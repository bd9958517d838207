"""The preview page: self-contained, every sample and severity on it, and what was really done."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avbuild.inspect.preview_page import describe_record
from avbuild.inspect.spectrogram import spectrogram
from tests.support.commands import fail, rows, succeed


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


def headings(page: Path) -> list[str]:
    found = re.findall(r"<th scope=col(?: class=own)?>(.*?)</th>", page.read_text())
    return [re.sub("<.*?>", "", heading) for heading in found]


SEVERITIES = [f"severity {severity}" for severity in range(1, 6)]


@pytest.mark.parametrize(
    ("spec", "columns"),
    [
        ("{audio: {chain: [gain], severity: 4}}", [*SEVERITIES[:3], "severity 4 M in the manifest", SEVERITIES[4]]),
        (
            "{audio: {chain: [{gain: 2}], severity: 4}, image: {chain: [jpeg], severity: 1}}",
            ["M M in the manifest", *SEVERITIES],
        ),
        ("{audio: {chain: [{gain: {db: -3}}]}}", ["M M in the manifest"]),
        (
            "{audio: {chain: [gain], severity: 2}, image: {missing_rate: 0.4}}",
            ["M M in the manifest", *SEVERITIES],
        ),
        ("{preset: rain, severity: 1}", ["severity 1 M in the manifest", *SEVERITIES[1:]]),
    ],
)
def test_severities_stand_in_order_and_the_manifests_own_is_marked(
    spec: str, columns: list[str], small_data: Path, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(small_data, tmp_path / "data"))
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text() + f"  M: {spec}\n")
    succeed("preview", folder, "--scenario", "M", "--samples", 1, "--out", tmp_path / "m.html")
    assert headings(tmp_path / "m.html") == ["clean", *columns]
    assert (tmp_path / "m.html").read_text().count("class=own>") == 2  # the heading and the one row


def test_the_marked_column_is_what_corrupt_writes(small_data: Path, tmp_path: Path) -> None:
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.storage import Folder
    from avbuild.inspect.preview import preview_rows
    from avbuild.scenarios.manifest_file import load_manifest

    written = {row["id"]: row["corruption"] for row in rows(small_data, "D")}
    data = Folder(str(small_data))
    shown = preview_rows(data, read_build(data), load_manifest(data.path("manifest.yaml")), "D", 12)
    for row in shown:
        (own,) = [cell for cell in row.cells if cell.own]
        assert own.record == json.loads(written[row.id])


def test_audio_of_a_large_page_is_beside_it(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avbuild.inspect import preview_page

    page = tmp_path / "page.html"
    command = ("preview", small_data, "--scenario", "D", "--out", page)
    monkeypatch.setattr(preview_page, "MOST_BYTES", 200_000)
    succeed(*command, "--samples", 4)
    sources = re.findall(r'<audio controls preload=none src="(.*?)"', page.read_text())
    assert sources == [f"page-audio/{row:03d}-{column:02d}.flac" for row in range(4) for column in range(6)]
    assert all((tmp_path / source).read_bytes().startswith(b"fLaC") for source in sources)
    succeed(*command, "--samples", 3)
    assert len(list((tmp_path / "page-audio").iterdir())) == 18
    monkeypatch.undo()
    succeed(*command, "--samples", 1)
    assert not (tmp_path / "page-audio").exists()
    (tmp_path / "page-audio").mkdir()
    (tmp_path / "page-audio" / "mine.flac").write_bytes(b"x")
    assert "was not written by avbuild preview" in fail(*command)


def test_a_hundred_samples_of_noisy_photos_stay_under_15_mb() -> None:
    from avbuild.inspect.preview import PreviewCell, PreviewRow
    from avbuild.inspect.preview_page import render_page

    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (480, 640, 3)).astype(np.uint8)  # noise: what WebP compresses worst
    audio = (rng.standard_normal(64_000) * 0.1).astype(np.float32)
    cell = PreviewCell("clean", "", ("audio", "image"), {"audio": audio, "image": image}, {}, {})
    few = render_page("x", [PreviewRow("a", "dog", (cell,) * 6)] * 2, "x-audio")
    many = render_page("x", [PreviewRow("a", "dog", (cell,))] * 40, "x-audio")
    assert not few.audio
    each = len(re.sub(r"data:audio[^\"]*", "", many.html)) / 40
    assert 600 * each < 15e6


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
