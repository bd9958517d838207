"""`avbuild preview`: one page to see and hear what a scenario does, severity across, samples down."""

import base64
import html
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from avbuild.corruptions.registry import SEVERITIES
from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.rows import StoredSample, cells_of
from avbuild.dataset.shards import read_samples
from avbuild.dataset.splits import Split
from avbuild.dataset.storage import Folder
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
FRAMES = 4  # of a video, at most
NOT_SHOWN = ("op", "version", "severity", "clips")


@dataclass(frozen=True, slots=True)
class PreviewCell:
    """A sample under one condition."""

    title: str
    audio: Signal | None  # float32 [samples]
    visual: str  # image or video
    pictures: tuple[Signal, ...]  # uint8 [H, W, 3]: one, some frames of a video, or none where it is missing
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A sample under every condition shown."""

    id: str
    label: str
    versions: tuple[PreviewCell, ...]


def preview_rows(folder: Folder, build: BuildRecord, manifest: Manifest, scenario: str, count: int) -> list[PreviewRow]:
    """Samples of the test split, spread over the classes: clean, then the scenario as written or at each severity."""
    return [_row(sample, build, manifest, scenario) for sample in _chosen(folder, build, count)]


def _chosen(folder: Folder, build: BuildRecord, count: int) -> list[StoredSample]:
    """One of each class in turn, which by a hash of their ids."""
    splits = build.scenarios[CLEAN].splits
    split: Split = "test" if "test" in splits else next(iter(splits))
    names = [(s["label"], digest("preview", s["id"]), s["id"]) for s in _samples(folder, build, split)]
    by_class = [[id_ for *_, id_ in members] for _, members in groupby(sorted(names), key=lambda entry: entry[0])]
    turns = [id_ for turn in range(count) for members in by_class for id_ in members[turn : turn + 1]]
    wanted = turns[:count]
    found = {s["id"]: s for s in _samples(folder, build, split) if s["id"] in wanted}
    return [found[id_] for id_ in wanted]


def _samples(folder: Folder, build: BuildRecord, split: Split) -> Iterator[StoredSample]:
    for shard in build.scenarios[CLEAN].splits[split].shards:
        yield from read_samples(folder.read(shard.file))


def _row(sample: StoredSample, build: BuildRecord, manifest: Manifest, name: str) -> PreviewRow:
    clean = {modality: decode_cell(modality, cell) for modality, cell in cells_of(sample).items()}
    scenario = manifest.scenarios[name]
    variants = {name: scenario}
    if any(op.level is None for op in scenario.ops) or scenario.missing or not scenario.ops:
        variants |= {f"severity {severity}": at_severity(scenario, name, severity) for severity in SEVERITIES}
    asked = manifest.model_copy(update={"scenarios": {**manifest.scenarios, **variants}})
    versions = [_version("clean", build.visual, clean, {})]
    for title in variants:
        signals, record = corrupt(plan_sample(condition(asked, title), sample["id"], clean), clean)
        versions.append(_version(title, build.visual, signals, record))
    return PreviewRow(sample["id"], build.classes[sample["label"]], tuple(versions))


def _version(title: str, visual: str, signals: Mapping[str, Signal | None], record: dict[str, Any]) -> PreviewCell:
    image, video = signals.get("image"), signals.get("video")
    pictures = () if image is None else (image,)
    if video is not None:
        shown = min(len(video), FRAMES)  # spread evenly
        pictures = tuple(video[(2 * part + 1) * len(video) // (2 * shown)] for part in range(shown))
    return PreviewCell(title, signals.get("audio"), visual, pictures, record)


def render_page(title: str, rows: Sequence[PreviewRow]) -> str:
    """One HTML file that needs nothing else: pictures, spectrograms and sounds are inside."""
    head = "".join(f"<th scope=col>{html.escape(version.title)}</th>" for version in rows[0].versions)
    body = "".join(
        f"<tr><th scope=row>{html.escape(row.label.replace('_', ' '))}<small>{html.escape(row.id)}</small></th>"
        + "".join(f"<td>{_cell(version)}</td>" for version in row.versions)
        + "</tr>"
        for row in rows
    )
    return _template().format(title=html.escape(title), head=head, body=body)


def _template() -> str:
    return resources.files("avbuild.inspect").joinpath("preview.html").read_text(encoding="utf-8")


def _cell(version: PreviewCell) -> str:
    parts = []
    if not version.pictures:
        parts.append(f"<div class=gone>no {MODALITIES[version.visual].noun}</div>")
    images = [f'<img alt="picture, {html.escape(version.title)}" src="{_png(p)}">' for p in version.pictures]
    parts.append("".join(images) if len(images) < 2 else f"<div class=frames>{''.join(images)}</div>")
    if version.audio is None:
        parts.append("<div class=gone>no sound</div>")
    else:
        flac = base64.b64encode(encode_audio(version.audio)).decode()
        parts.append(f'<img class=sound alt="spectrogram" src="{_png(spectrogram(version.audio))}">')
        parts.append(f'<audio controls preload=none src="data:audio/flac;base64,{flac}"></audio>')
    lines = [f"<b>{modality}</b> {html.escape(text)}" for modality, text in describe(version.record)]
    return "".join(parts) + f"<p>{'<br>'.join(lines)}</p>"


def describe(record: dict[str, Any]) -> list[tuple[str, str]]:
    """What was really done to each modality, for people."""
    lines = []
    for modality in MODALITIES:
        done = record.get(modality)
        if isinstance(done, str):
            lines.append((modality, done))
        elif isinstance(done, dict):
            lines.append((modality, f"missing, {done['missing']} in its place"))
        for step in done if isinstance(done, list) else ():
            values = [f"{key} {_number(value)}" for key, value in step.items() if key not in NOT_SHOWN]
            lines.append((modality, f"{step['op']}: {', '.join(values)}"))
    return lines


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)


def _png(pixels: Signal) -> str:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(sink.getvalue()).decode()}"


def contact_sheet(rows: Sequence[PreviewRow]) -> bytes:
    """The pictures and spectrograms of a page as one PNG."""
    margin, top, step = 110, 18, TILE + TILE // 2 + 6
    width = 4 + TILE * max(1, *(len(version.pictures) for row in rows for version in row.versions))
    sheet = Image.new("RGB", (margin + len(rows[0].versions) * width, top + len(rows) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for column, version in enumerate(rows[0].versions):
        draw.text((margin + column * width, 3), version.title, fill="black")
    for index, row in enumerate(rows):
        y = top + index * step
        draw.text((4, y + TILE // 2), row.label.replace("_", "\n"), fill="black")
        for column, version in enumerate(row.versions):
            x = margin + column * width
            for place, picture in enumerate(version.pictures):
                sheet.paste(_tile(picture, TILE), (x + place * TILE, y))
            if version.audio is not None:
                sound = spectrogram(version.audio, TILE // 2, TILE)
                sheet.paste(Image.fromarray(sound), (x, y + TILE + 1))
    sink = io.BytesIO()
    sheet.save(sink, format="PNG", optimize=True)
    return sink.getvalue()


def _tile(pixels: Signal, side: int) -> Image.Image:
    """A square tile: small pictures in visible pixels, the middle of oblong ones."""
    height, width = np.asarray(pixels).shape[:2]
    least = min(height, width)
    left, top = (width - least) // 2, (height - least) // 2
    method = Image.Resampling.NEAREST if least < side else Image.Resampling.LANCZOS
    return Image.fromarray(pixels).crop((left, top, left + least, top + least)).resize((side, side), method)
