"""A small data set of audio, images and texts, made as `avbuild make` makes one."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.storage import Folder
from avbuild.pipeline.engines import Engine
from avbuild.pipeline.make import write
from avbuild.pipeline.prepare import Prepared, prepare
from avbuild.sources.builder import Builder
from avbuild.sources.corpus import Corpus, Credit, Material, SourceItem
from avbuild.sources.options import Options

CLASSES = ("calm", "loud")
TEXTS = (
    "The quiet river runs slowly past the old mill, and nobody is in a hurry today.",
    "<script>alert('LOUD')</script> & \"quotes\": everybody shouts at once!",
    "Der Fluß fließt lautlos, 오늘은 조용한 하루입니다 👩‍👩‍👧 e\u0301te\u0301.",  # decomposed: stored composed
    "",
)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Media that are in memory."""

    name: str
    data: bytes

    def read(self) -> bytes:
        return self.data


def source_of(modality: str, index: int) -> bytes:
    """Return the file of one item."""
    rng = np.random.default_rng(index)
    if modality == "text":
        return TEXTS[index % len(TEXTS)].encode() if index % 4 == 3 else f"{TEXTS[index % 4]} ({index})".encode()
    sink = io.BytesIO()
    if modality == "audio":
        tone = 0.3 * np.sin(np.arange(4_000) * (0.1 + 0.3 * (index % 2))) + rng.normal(0, 0.02, 4_000)
        soundfile.write(sink, tone.astype(np.float32), 16_000, format="WAV")
    else:
        pixels = (rng.integers(0, 120, (24, 20, 3)) + 100 * (index % 2)).astype(np.uint8)
        Image.fromarray(pixels).save(sink, format="PNG")
    return sink.getvalue()


def items_of(modality: str, count: int) -> tuple[SourceItem, ...]:
    """Return the items of a modality, with two to a group."""
    return tuple(
        SourceItem(
            modality,
            f"s{index:03d}",
            CLASSES[index % 2],
            Bytes(f"{modality}/s{index:03d}", source_of(modality, index)),
            group=f"g{index // 2:03d}",
        )
        for index in range(count)
    )


def prepared(
    modalities: Sequence[str] = ("audio", "image", "text"),
    count: int = 60,
    corpora: Sequence[Sequence[SourceItem]] | None = None,
    skip_bad: bool = False,
) -> Prepared:
    """Return a data set that is ready to be written; samples of equal ids belong together.

    Args:
        modalities: of the data set.
        count: of the samples.
        corpora: the items of each modality, in place of those of `items_of`.
        skip_bad: leave out files that cannot be used.
    """
    found = corpora or [items_of(modality, count) for modality in modalities]
    credit = Credit("made for tests", "CC0", "", "")
    material = Material(
        tuple(Corpus(m, credit, CLASSES, tuple(items)) for m, items in zip(modalities, found, strict=True)), CLASSES
    )
    builder = Builder(
        name="three",
        title="Audio, images and texts",
        needs="nothing",
        licence="CC0",
        read=lambda *_: material,
        modalities=tuple(modalities),
        rows_per_shard=16,
    )
    return prepare(builder, Options(sources=Path()), workers=1, skip_bad=skip_bad)


def write_three(folder: Path, modalities: Sequence[str] = ("audio", "image", "text"), count: int = 60) -> BuildRecord:
    """Write a data set and return its record."""
    made = write(prepared(modalities, count), Folder(folder), Engine(workers=1))
    assert made is not None
    return made
