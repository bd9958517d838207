"""The published UrbanSound8K-AV and CIFAR10-AV of Guo et al.: class folders with audio and images of equal stem.

L. Guo et al., IEEE TCDS 16(3), 2024.  Folds are not included; they are recovered by joining stems with UrbanSound8K's
table.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avbuild.errors import UserError
from avbuild.sources.corpus import Corpus, Credit, Problem, SourceItem
from avbuild.sources.files import contents
from avbuild.sources.folders import read_audio_folder, read_image_folder
from avbuild.sources.urbansound8k_table import read_table

AUDIO_FOLDERS = ("Dataset_v3_sound", "audio_dataset", "sound", "audio")
IMAGE_FOLDERS = ("Dataset_v3_vision", "image_dataset", "vision", "image")
CREDIT = Credit(
    name="Guo et al.",
    licence="not stated; UrbanSound8K's sounds are CC BY-NC 3.0",
    homepage="https://www.kaggle.com/datasets/lingyueguo/urbansound8k-av",
    citation="L. Guo et al., IEEE Transactions on Cognitive and Developmental Systems 16(3), 2024",
)


def read_kaggle(root: Path, table: Path | None) -> tuple[Corpus, Corpus]:
    """Read audio and images; a clip and an image of equal id are a pair.

    Args:
        root: folder of the release.
        table: the official UrbanSound8K.csv, from which recordings and folds are recovered; None where it is not
            available.

    Raises UserError where root is not the release.
    """
    audio, images = read_audio_folder(_inside(root, AUDIO_FOLDERS)), read_image_folder(_inside(root, IMAGE_FOLDERS))
    unique = _unique_stems(audio.items) and _unique_stems(images.items)
    clips, pictures = (_by_stem(items) if unique else items for items in (audio.items, images.items))
    without_image, without_clip = _unpaired(clips, pictures, "picture"), _unpaired(pictures, clips, "clip")
    known, wrong, notes = _with_folds(clips, table)
    return (
        Corpus("audio", CREDIT, audio.classes, tuple(known), (*audio.problems, *without_image, *wrong), notes),
        Corpus("image", CREDIT, images.classes, tuple(pictures), (*images.problems, *without_clip)),
    )


def _inside(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise UserError(f"{root}: not the release by Guo et al.; looked for {' or '.join(names)}, found: {contents(root)}")


def _unique_stems(items: Sequence[SourceItem]) -> bool:
    """Whether no two items have one stem; else the class stays in the ids of both modalities."""
    return len({item.id.rsplit("/", 1)[-1] for item in items}) == len(items)


def _by_stem(items: Sequence[SourceItem]) -> list[SourceItem]:
    """Replace ids by stems, as UrbanSound8K names its slices."""
    return [replace(item, id=item.id.rsplit("/", 1)[-1]) for item in items]


def _unpaired(items: Sequence[SourceItem], others: Sequence[SourceItem], other: str) -> list[Problem]:
    """Return a problem for each item that has no partner of the same id."""
    ids = {item.id for item in others}
    return [Problem(item.media.name, f"no {other} with this stem") for item in items if item.id not in ids]


def _with_folds(
    clips: Sequence[SourceItem], table: Path | None
) -> tuple[Sequence[SourceItem], list[Problem], tuple[str, ...]]:
    """Return the clips with folds and recordings from the table, the problems, and notes for the card."""
    if table is None:
        note = "Folds are unknown: UrbanSound8K.csv was not at hand; recordings are taken from the file names."
        return clips, [], (note,)
    rows = {Path(row.file).stem: row for row in read_table(table)}
    known, problems = [], []
    for clip in clips:
        row = rows.get(clip.id.rsplit("/", 1)[-1])
        if row is None:
            problems.append(Problem(clip.media.name, "not in UrbanSound8K.csv"))
        elif row.label != clip.label:
            problems.append(Problem(clip.media.name, f"lies in {clip.label}, but UrbanSound8K.csv says {row.label}"))
        else:
            known.append(replace(clip, group=row.recording, fold=row.fold))
    return known, problems, ("Folds and recordings are recovered from UrbanSound8K.csv.",)
