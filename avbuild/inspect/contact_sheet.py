"""Draw the images, spectrograms and texts of a preview as one PNG."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from avbuild.escaping import visible
from avbuild.inspect.preview import PreviewCell, PreviewRow
from avbuild.inspect.preview_files import SOFTWARE
from avbuild.inspect.spectrogram import spectrogram
from avbuild.inspect.text_changes import shown_text
from avbuild.inspect.text_drawing import HEIGHT, draw_text
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES

TILE = 128  # pixels of a tile
MARGIN, HEADER = 110, 18  # pixels left of the tiles, and above them


def contact_sheet(rows: Sequence[PreviewRow]) -> bytes:
    """Return the images, spectrograms and texts of a page as one PNG.

    Args:
        rows: one per sample, all with the same conditions.
    """
    texts = [modality for modality in rows[0].cells[0].modalities if MODALITIES[modality].plain]
    row_height = TILE + TILE // 2 + 6 + len(texts) * HEIGHT
    column_width = 4 + TILE * max(1, *(len(_shown(cell)) for row in rows for cell in row.cells))
    sheet = Image.new("RGB", (MARGIN + len(rows[0].cells) * column_width, HEADER + len(rows) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    for column, cell in enumerate(rows[0].cells):
        draw.text((MARGIN + column * column_width, 3), cell.title, fill="black")
    for index, row in enumerate(rows):
        y = HEADER + index * row_height
        draw.text((4, y + TILE // 2), visible(row.label).replace("_", "\n"), fill="black")
        for column, cell in enumerate(row.cells):
            x = MARGIN + column * column_width
            _paste(sheet, cell, x, y)
            for place, modality in enumerate(texts):
                top = y + TILE + TILE // 2 + 3 + place * HEIGHT
                _draw_text(draw, cell, modality, (x, top), column_width - 6)
    written_by = PngInfo()
    written_by.add_text("Software", SOFTWARE)
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True, pnginfo=written_by)
    return buffer.getvalue()


def _paste(sheet: Image.Image, cell: PreviewCell, x: int, y: int) -> None:
    for place, image in enumerate(_shown(cell)):
        sheet.paste(_tile(image, TILE), (x + place * TILE, y))
    audio = cell.signals.get("audio")
    if audio is not None:
        sheet.paste(Image.fromarray(spectrogram(audio, TILE // 2, TILE)), (x, y + TILE + 1))


def _draw_text(
    draw: ImageDraw.ImageDraw, cell: PreviewCell, modality: str, corner: tuple[int, int], width: int
) -> None:
    text = cell.signals.get(modality)
    if not text:
        draw.text(corner, f"{'no' if text is None else 'empty'} {modality}", fill="grey")
    else:
        draw_text(draw, shown_text(text, cell.clean.get(modality)), *corner, width)


def _shown(cell: PreviewCell) -> list[Signal]:
    """Return the images and frames of a cell, uint8 [H, W, 3] each."""
    return [frame for modality in cell.modalities if MODALITIES[modality].visual for frame in cell.frames(modality)]


def _tile(pixels: Signal, side: int) -> Image.Image:
    """Cut the largest central square and resize it; a smaller image keeps sharp pixels."""
    height, width = np.asarray(pixels).shape[:2]
    square = min(height, width)
    left, top = (width - square) // 2, (height - square) // 2
    method = Image.Resampling.NEAREST if square < side else Image.Resampling.LANCZOS
    return Image.fromarray(pixels).crop((left, top, left + square, top + square)).resize((side, side), method)
