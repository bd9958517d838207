"""The options of a build, and a check that a data set uses them."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from avbuild.errors import UsageError
from avbuild.modalities.registry import MODALITIES


@dataclass(frozen=True, slots=True)
class Options:
    """The options that a user can set for a build."""

    sources: Path
    audio_root: Path | None = None
    root: Path | None = None  # of a published corpus, as it was unpacked
    images: str | None = None  # folder:PATH, cifar10:PATH or hf:NAME
    label_map: Path | None = None
    layout: Literal["official", "kaggle"] = "official"
    split: Literal["grouped", "random70", "published"] = "grouped"
    folds: tuple[int, ...] = ()  # the last one is the test fold
    limit: int | None = None
    seed: int = 0
    offline: bool = False
    fps: float | None = None  # frames per second taken of a video
    lists: Path | None = None  # folder with a published train list and test list
    name: str | None = None  # of a data set of the user's own files
    title: str | None = None
    licence: str | None = None
    description: str | None = None
    audio: Path | None = None  # folders of the user's own files
    image: Path | None = None
    video: Path | None = None
    text: Path | None = None
    pair: Literal["stem", "class", "index"] | None = None
    group_pattern: str | None = None  # regular expression whose group is the name of the recording
    table: Path | None = None  # of the user: a sample a row
    columns: tuple[tuple[str, str], ...] = ()  # (role, column of the table); no column: none has this role
    text_files: bool = False  # the text column holds paths
    allow_outside: bool = False  # the table may name files outside its folder
    label_rule: Literal["equal", "polar"] | None = None  # of mvsa-single
    list: Path | None = None  # of the clips of kinetics-sounds
    vocal: Literal["speech", "song", "both"] | None = None  # of ravdess

    @property
    def own_folders(self) -> dict[str, Path]:
        """The folders of the user's own files by modality, in the order of the columns."""
        given = {name: getattr(self, name, None) for name in MODALITIES}
        return {name: folder for name, folder in given.items() if folder is not None}


COMMON = frozenset({"sources", "split", "limit", "seed", "offline"})  # options that every data set uses


def refuse_unused(
    options: Options,
    name: str,
    used: frozenset[str],
    splits: frozenset[str] = frozenset({"grouped", "random70"}),
) -> None:
    """Refuse options that a data set does not use.

    Args:
        options: of the user.
        name: of the data set, for the error.
        used: fields of Options that its builder declares.
        splits: values of --split that it has.

    Raises UsageError that names all of them.
    """
    given = [
        f"--{field.name.replace('_', '-')}"
        for field in fields(options)
        if field.name not in used | COMMON and getattr(options, field.name) != field.default
    ]
    if given:
        raise UsageError(f"{name} does not use {' and '.join(given)}; avbuild make --help lists the options of each")
    if options.split not in splits:
        hint = "; its published split is --lists FOLDER" if "lists" in used else ""
        raise UsageError(f"{name} has no --split {options.split}; it has {', '.join(sorted(splits))}{hint}")
    if options.lists is not None and options.split != "grouped":
        raise UsageError(f"--lists and --split {options.split} exclude each other")
