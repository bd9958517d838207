"""Render a page to see and hear a scenario, for `avbuild preview`: one row per sample, one column per severity."""

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from avbuild.corruptions.registry import SEVERITIES
from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.reading import read_shard
from avbuild.dataset.rows import StoredSample, cells_of
from avbuild.dataset.splits import Split
from avbuild.dataset.storage import Folder
from avbuild.errors import UsageError
from avbuild.escaping import in_html, visible
from avbuild.inspect.spectrogram import spectrogram
from avbuild.modalities.audio import encode_audio
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.jobs import decode_cell
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.plan import at_severity, condition, plan_sample
from avbuild.scenarios.seeding import digest

TILE = 128  # pixels of a tile in the contact sheet
MARGIN, HEADER = 110, 18  # pixels of the contact sheet left of the tiles, and above them
MAX_FRAMES = 4  # of a video
SOFTWARE = "avbuild preview"  # in the files it writes, which it may then replace
GENERATOR = f'<meta name=generator content="{SOFTWARE}">'
HIDDEN_KEYS = ("op", "version", "severity", "clips")  # of a recorded op


@dataclass(frozen=True, slots=True)
class PreviewCell:
    """A sample under one condition."""

    title: str
    audio: Signal | None  # float32 [samples]; None: missing
    visual: str  # image or video
    images: tuple[Signal, ...]  # uint8 [H, W, 3]: the image, some frames of the video, or none where it is missing
    record: dict[str, Any]  # what the `corruption` column would hold


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A sample under every condition shown."""

    id: str
    label: str
    cells: tuple[PreviewCell, ...]


def preview_rows(folder: Folder, build: BuildRecord, manifest: Manifest, scenario: str, count: int) -> list[PreviewRow]:
    """Corrupt some samples: clean, the scenario as written, then the scenario at each severity where it has one.

    Args:
        folder: of the data set.
        build: the data set's record.
        manifest: with the scenario in it.
        scenario: name in the manifest.
        count: number of samples of the test split, spread over the classes.
    """
    return [_row(sample, build, manifest, scenario) for sample in _choose_samples(folder, build, count)]


def _choose_samples(folder: Folder, build: BuildRecord, count: int) -> list[StoredSample]:
    """Take one sample of each class in turn, ordered within a class by a hash of the ids."""
    splits = build.scenarios[CLEAN].splits
    split: Split = "test" if "test" in splits else next(iter(splits))
    names = [(s["label"], digest("preview", s["id"]), s["id"]) for s in _clean_samples(folder, build, split)]
    by_class = [[id_ for *_, id_ in members] for _, members in groupby(sorted(names), key=lambda entry: entry[0])]
    turns = [id_ for turn in range(count) for members in by_class for id_ in members[turn : turn + 1]]
    wanted = turns[:count]
    found = {s["id"]: s for s in _clean_samples(folder, build, split) if s["id"] in wanted}
    return [found[id_] for id_ in wanted]


def _clean_samples(folder: Folder, build: BuildRecord, split: Split) -> Iterator[StoredSample]:
    for shard in build.scenarios[CLEAN].splits[split].shards:
        yield from read_shard(folder, shard, build.builder)


def _row(sample: StoredSample, build: BuildRecord, manifest: Manifest, name: str) -> PreviewRow:
    clean = {modality: decode_cell(modality, cell) for modality, cell in cells_of(sample).items()}
    scenario = manifest.scenarios[name]
    variants = {name: scenario}
    if any(op.level is None for op in scenario.ops) or scenario.missing or not scenario.ops:
        variants |= {f"severity {severity}": at_severity(scenario, name, severity) for severity in SEVERITIES}
    with_variants = manifest.model_copy(update={"scenarios": {**manifest.scenarios, **variants}})
    cells = [preview_cell("clean", build.visual, clean, {})]
    for title in variants:
        signals, record = corrupt(plan_sample(condition(with_variants, title), sample["id"], clean), clean)
        cells.append(preview_cell(title, build.visual, signals, record))
    return PreviewRow(sample["id"], build.classes[sample["label"]], tuple(cells))


def preview_cell(title: str, visual: str, signals: Mapping[str, Signal | None], record: dict[str, Any]) -> PreviewCell:
    """Return a sample under one condition; of a video, a few frames.

    Args:
        title: of the condition.
        visual: image or video.
        signals: modality -> decoded signal; None where it is missing.
        record: what was done, as the column `corruption` holds it.
    """
    image, video = signals.get("image"), signals.get("video")
    images = () if image is None else (image,)
    if video is not None:
        count = min(len(video), MAX_FRAMES)
        # the middle frame of each of `count` equal parts
        images = tuple(video[(2 * part + 1) * len(video) // (2 * count)] for part in range(count))
    return PreviewCell(title, signals.get("audio"), visual, images, record)


def refuse_page(page: Path) -> None:
    """Raise UsageError where the preview page, or the contact sheet beside it, would replace another file.

    Args:
        page: HTML file to write; the contact sheet has the same name with `.png`.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {page}: the page is an HTML file; give a name that ends with .html")
    for path, ours in ((page, _is_page), (page.with_suffix(".png"), _is_sheet)):
        if path.exists() and not (path.is_file() and ours(path)):
            raise UsageError(
                f"--out {page}: {path} is there and was not written by avbuild preview; choose another name, or move it"
            )


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(1024)


def _is_sheet(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == SOFTWARE
    except (OSError, ValueError, SyntaxError):  # not an image
        return False


def render_page(title: str, rows: Sequence[PreviewRow]) -> str:
    """Return one self-contained HTML file, with images, spectrograms and audio embedded.

    Args:
        title: heading of the page.
        rows: one per sample, all with the same conditions.
    """
    head = "".join(f"<th scope=col>{in_html(cell.title)}</th>" for cell in rows[0].cells)
    body = "".join(
        f"<tr><th scope=row>{in_html(row.label.replace('_', ' '))}<small>{in_html(row.id)}</small></th>"
        + "".join(f"<td>{cell_html(cell)}</td>" for cell in row.cells)
        + "</tr>"
        for row in rows
    )
    template = resources.files("avbuild.inspect").joinpath("preview.html").read_text(encoding="utf-8")
    return template.format(title=in_html(title), generator=GENERATOR, head=head, body=body)


def cell_html(cell: PreviewCell) -> str:
    """Return images, spectrogram, audio and the applied corruptions of a sample under one condition."""
    parts = []
    if not cell.images:
        parts.append(f"<div class=missing>no {MODALITIES[cell.visual].noun}</div>")
    images = [f'<img alt="{cell.visual}, {in_html(cell.title)}" src="{_png_url(image)}">' for image in cell.images]
    parts.append("".join(images) if len(images) < 2 else f"<div class=frames>{''.join(images)}</div>")
    if cell.audio is None:
        parts.append("<div class=missing>no audio</div>")
    else:
        flac = base64.b64encode(encode_audio(cell.audio)).decode()
        parts.append(f'<img class=spectrogram alt="spectrogram" src="{_png_url(spectrogram(cell.audio))}">')
        parts.append(f'<audio controls preload=none src="data:audio/flac;base64,{flac}"></audio>')
    lines = [f"<b>{modality}</b> {in_html(text)}" for modality, text in describe_record(cell.record)]
    return "".join(parts) + f"<p>{'<br>'.join(lines)}</p>"


def describe_record(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was done to each modality in words, as pairs of modality and text.

    Args:
        record: the parsed JSON of the column `corruption`.
    """
    lines = []
    for modality in MODALITIES:
        applied = record.get(modality)
        if isinstance(applied, str):
            lines.append((modality, applied))
        elif isinstance(applied, dict):
            lines.append((modality, f"missing, filled with {applied['missing']}"))
        for op in applied if isinstance(applied, list) else ():
            values = [f"{key} {_format_value(value)}" for key, value in op.items() if key not in HIDDEN_KEYS]
            lines.append((modality, f"{op['op']}: {', '.join(values)}"))
    return lines


def _format_value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)


def _png_url(pixels: Signal) -> str:
    return f"data:image/png;base64,{base64.b64encode(_png(Image.fromarray(pixels))).decode()}"


def _png(image: Image.Image, text: PngInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True, pnginfo=text)
    return buffer.getvalue()


def contact_sheet(rows: Sequence[PreviewRow]) -> bytes:
    """Return the images and spectrograms of a page as one PNG.

    Args:
        rows: one per sample, all with the same conditions.
    """
    row_height = TILE + TILE // 2 + 6
    column_width = 4 + TILE * max(1, *(len(cell.images) for row in rows for cell in row.cells))
    sheet = Image.new("RGB", (MARGIN + len(rows[0].cells) * column_width, HEADER + len(rows) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    for column, cell in enumerate(rows[0].cells):
        draw.text((MARGIN + column * column_width, 3), cell.title, fill="black")
    for index, row in enumerate(rows):
        y = HEADER + index * row_height
        draw.text((4, y + TILE // 2), visible(row.label).replace("_", "\n"), fill="black")
        for column, cell in enumerate(row.cells):
            _paste(sheet, cell, MARGIN + column * column_width, y)
    written_by = PngInfo()
    written_by.add_text("Software", SOFTWARE)
    return _png(sheet, written_by)


def _paste(sheet: Image.Image, cell: PreviewCell, x: int, y: int) -> None:
    for place, image in enumerate(cell.images):
        sheet.paste(_tile(image, TILE), (x + place * TILE, y))
    if cell.audio is not None:
        sheet.paste(Image.fromarray(spectrogram(cell.audio, TILE // 2, TILE)), (x, y + TILE + 1))


def _tile(pixels: Signal, side: int) -> Image.Image:
    """Cut the largest central square and resize it; a smaller image keeps sharp pixels."""
    height, width = np.asarray(pixels).shape[:2]
    square = min(height, width)
    left, top = (width - square) // 2, (height - square) // 2
    method = Image.Resampling.NEAREST if square < side else Image.Resampling.LANCZOS
    return Image.fromarray(pixels).crop((left, top, left + square, top + square)).resize((side, side), method)
