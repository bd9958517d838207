"""Render the preview as an HTML page: one row per sample, one column per severity."""

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any
from urllib.parse import quote

from PIL import Image

from avbuild.escaping import in_html
from avbuild.inspect.preview import PreviewCell, PreviewRow
from avbuild.inspect.preview_files import GENERATOR
from avbuild.inspect.spectrogram import spectrogram
from avbuild.inspect.text_changes import shown_text
from avbuild.modalities.audio import encode_audio
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.progress import progress_bar

MOST_BYTES = 12_000_000  # of a page; with more audio than that, it is put beside the page
SHOWN, SHOWN_OF_MANY = 352, 176  # pixels across, twice and once the width on the page; a larger image is made smaller
MANY = 36  # rows, above which images are kept at the width on the page
SHARP = 128  # pixels: images up to here are kept without loss
SPECTROGRAM = (72, 224)  # pixels
AUDIO_MARK = r"data-clip=([0-9-]+\.flac)(?=></audio>)"
TEXT_NOTE = " In texts, what is new is <mark>marked</mark> and what is lost <del>struck out</del>."
TEXT_MARKUP = {"same": "{}", "changed": "<mark>{}</mark>", "lost": "<del>{}</del>"}
HIDDEN_KEYS = ("op", "version", "severity", "clips", "plugin")  # of a recorded op


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page, and the audio that goes beside it."""

    html: str
    audio: Mapping[str, bytes]  # name -> FLAC; empty where the page holds it


def render_page(title: str, rows: Sequence[PreviewRow], audio_folder: str) -> Page:
    """Render one HTML file with images and spectrograms embedded, and audio too where that stays small enough.

    Args:
        title: heading of the page.
        rows: one per sample, all with the same conditions.
        audio_folder: name of the folder for the audio, beside the page.
    """
    audio: dict[str, bytes] = {}
    width = SHOWN_OF_MANY if len(rows) > MANY else SHOWN
    head = "".join(f"<th scope=col{_own(cell)}>{in_html(cell.title)}{_badge(cell)}</th>" for cell in rows[0].cells)
    body = []
    with progress_bar("drawing", len(rows)) as advance:
        for number, row in enumerate(rows):
            cells = []
            for column, cell in enumerate(row.cells):
                name = f"{number:03d}-{column:02d}.flac"
                cells.append(f"<td{_own(cell)}>{_cell_html(cell, name, audio, width)}</td>")
            label = f"{in_html(row.label.replace('_', ' '))}<small>{in_html(row.id)}</small>"
            body.append(f"<tr><th scope=row>{label}</th>{''.join(cells)}</tr>")
            advance()
    beside = sum(map(len, body)) + sum(map(len, audio.values())) * 4 // 3 > MOST_BYTES
    place = partial(_address, audio, audio_folder if beside else None)
    template = resources.files("avbuild.inspect").joinpath("preview.html").read_text(encoding="utf-8")
    note = f" The audio is in {in_html(audio_folder)}/, beside this page." if beside else ""
    texts = TEXT_NOTE if any(MODALITIES[modality].plain for modality in rows[0].cells[0].modalities) else ""
    rows_html = re.sub(AUDIO_MARK, place, "".join(body))
    html = template.format(
        title=in_html(title), generator=GENERATOR, head=head, body=rows_html, texts=texts, beside=note
    )
    return Page(html, audio if beside else {})


def cell_html(cell: PreviewCell) -> str:
    """Return a sample under one condition: images, spectrogram, audio, and what was done; all of it embedded."""
    audio: dict[str, bytes] = {}
    html = _cell_html(cell, "0.flac", audio, SHOWN)
    return re.sub(AUDIO_MARK, partial(_address, audio, None), html)


def _address(audio: Mapping[str, bytes], folder: str | None, mark: re.Match[str]) -> str:
    """Return the address of an audio clip: its data, or its file beside the page."""
    if folder is None:
        return f'src="data:audio/flac;base64,{base64.b64encode(audio[mark[1]]).decode()}"'
    return f'src="{quote(f"{folder}/{mark[1]}")}"'


def _own(cell: PreviewCell) -> str:
    return " class=own" if cell.own else ""


def _badge(cell: PreviewCell) -> str:
    return f" <span class=badge>{in_html(cell.own)}</span>" if cell.own else ""


def _cell_html(cell: PreviewCell, name: str, audio: dict[str, bytes], width: int) -> str:
    parts = []
    for modality in cell.modalities:
        if MODALITIES[modality].visual:
            parts.append(_visual_html(cell, modality, width))
    for modality in cell.modalities:
        if MODALITIES[modality].plain:
            parts.append(_text_html(cell, modality))
        elif not MODALITIES[modality].visual:
            parts.append(_audio_html(cell, modality, name, audio))
    lines = [f"<b>{modality}</b> {in_html(text)}" for modality, text in describe_record(cell.record, cell.drawn)]
    return "".join(parts) + f"<p>{'<br>'.join(lines)}</p>"


def _visual_html(cell: PreviewCell, modality: str, width: int) -> str:
    frames = cell.frames(modality)
    if not frames:
        return f"<div class=missing>no {MODALITIES[modality].noun}</div>"
    alt = f"{modality}, {in_html(cell.title)}"
    images = "".join(f'<img loading=lazy alt="{alt}" src="{_image_url(frame, width)}">' for frame in frames)
    return images if len(frames) < 2 else f"<div class=frames>{images}</div>"


def _audio_html(cell: PreviewCell, modality: str, name: str, audio: dict[str, bytes]) -> str:
    """Return a spectrogram and a player, whose address is filled in when the size of all audio is known."""
    signal = cell.signals[modality]
    if signal is None:
        return f"<div class=missing>no {modality}</div>"
    audio[name] = encode_audio(signal)
    picture = _webp_url(Image.fromarray(spectrogram(signal, *SPECTROGRAM)), quality=60)
    return (
        f'<img loading=lazy class=spectrogram alt="spectrogram" src="{picture}">'
        f"<audio controls preload=none data-clip={name}></audio>"
    )


def _text_html(cell: PreviewCell, modality: str) -> str:
    """Return a text with what changed marked, and what was lost struck out."""
    text = cell.signals[modality]
    if not text:
        return f"<div class=missing>{f'no {modality}' if text is None else f'empty {modality}'}</div>"
    shown = shown_text(text, cell.clean.get(modality))
    html = "".join(TEXT_MARKUP[piece.kind].format(in_html(piece.text, keep="\n\t")) for piece in shown.pieces)
    return f"<blockquote>{html}</blockquote>" + (f"<small>{shown.note}</small>" if shown.note else "")


def _image_url(pixels: Signal, width: int) -> str:
    image = Image.fromarray(pixels)
    if max(image.size) <= SHARP:
        return _webp_url(image, lossless=True)
    image.thumbnail((width, width), Image.Resampling.LANCZOS)
    return _webp_url(image, quality=75)


def _webp_url(image: Image.Image, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", **options)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def describe_record(
    record: Mapping[str, Any], drawn: Mapping[str, Sequence[str]] | None = None
) -> list[tuple[str, str]]:
    """Return what was done to each modality in words, as pairs of modality and text.

    Args:
        record: the parsed JSON of the column `corruption`.
        drawn: modality -> what each op drew at random.
    """
    lines = []
    for modality in MODALITIES:
        applied = record.get(modality)
        if isinstance(applied, str):
            lines.append((modality, applied))
        elif isinstance(applied, dict):
            lines.append((modality, f"missing, filled with {applied['missing']}"))
        words = iter((drawn or {}).get(modality, ()))
        for op in applied if isinstance(applied, list) else ():
            values = [f"{key} {_format_value(value)}" for key, value in op.items() if key not in HIDDEN_KEYS]
            found = next(words, "")
            levels = f"({', '.join(values)})" if found else ", ".join(values)
            lines.append((modality, f"{op['op']}: {found} {levels}" if found else f"{op['op']}: {levels}"))
    return lines


def _format_value(value: Any) -> str:
    if not isinstance(value, float):
        return json.dumps(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
