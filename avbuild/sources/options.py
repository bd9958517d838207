"""Options of a build, and which of them a data set has no use for."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from avbuild.errors import UsageError


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may decide about a build."""

    sources: Path
    audio_root: Path | None = None
    images: str | None = None  # folder:PATH, cifar10:PATH or hf:NAME
    label_map: Path | None = None
    layout: Literal["official", "kaggle"] = "official"
    split: Literal["grouped", "random70"] = "grouped"
    folds: tuple[int, ...] = ()  # the last is test
    limit: int | None = None
    seed: int = 0
    offline: bool = False
    fps: float | None = None  # frames a second taken of a video
    lists: Path | None = None  # folder of a published train list and test list


EVERYWHERE = frozenset({"sources", "split", "limit", "seed", "offline"})  # options that every data set uses


def refuse_unused(options: Options, name: str, used: frozenset[str]) -> None:
    """Refuse options that a data set has no use for.

    Args:
        options: as given.
        name: the data set's, for the error.
        used: the fields of Options that its builder declares.

    Raises UsageError that names all of them.
    """
    given = [
        f"--{field.name.replace('_', '-')}"
        for field in fields(options)
        if field.name not in used | EVERYWHERE and getattr(options, field.name) != field.default
    ]
    if given:
        raise UsageError(f"{name} has no use for {' and '.join(given)}; avbuild make --help says what is for what")
    if options.lists is not None and options.split != "grouped":
        raise UsageError(f"--lists and --split {options.split} exclude each other")
