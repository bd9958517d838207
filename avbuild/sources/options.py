"""What the user may say about a build, and what of it a data set has no use for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avbuild.errors import UsageError


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may say about a build."""

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
    fps: float | None = None  # frames taken of a second of video
    lists: Path | None = None  # folder of a published train list and test list


def refuse_useless(options: Options, name: str, videos: bool) -> None:
    """Raises UsageError that names every option given that the data set called `name` has no use for."""
    foreign = {
        "--fps": options.fps is not None and not videos,
        "--lists": options.lists is not None and not videos,
        "--images": options.images is not None and videos,
        "--label-map": options.label_map is not None and videos,
        "--layout": options.layout != "official" and videos,
        "--folds": bool(options.folds) and videos,
    }
    if given := [option for option, useless in foreign.items() if useless]:
        raise UsageError(f"{name} has no use for {' and '.join(given)}; avbuild make --help says what is for what")
    if options.lists is not None and options.split != "grouped":
        raise UsageError(f"--lists and --split {options.split} exclude each other")
