"""A folder of class folders, of audio or of images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avbuild.errors import UserError, listed
from avbuild.sources.corpus import Corpus, Credit, LocalFile, Problem, SourceItem
from avbuild.sources.files import file_problem, visible
from avbuild.sources.layout import refuse_splits
from avbuild.sources.names import printable
from avbuild.sources.urbansound8k_table import SLICE_NAME
from avbuild.sources.walk import class_folders, folders_in, unique_ids, walk

AUDIO = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64"})
IMAGES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff", ".avif", ".jp2"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".qoi"}
)
VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".flv", ".mpg", ".mpeg", ".wmv", ".3gp", ".ogv", ".ts"}
)
TEXTS = frozenset({".txt"})
SUFFIXES: Mapping[str, frozenset[str]] = {"audio": AUDIO, "image": IMAGES, "video": VIDEOS, "text": TEXTS}


@dataclass(frozen=True, slots=True)
class Found:
    """The files in class folders."""

    classes: tuple[str, ...]
    files: dict[str, tuple[str, Path]]  # id -> class, path
    problems: tuple[Problem, ...]


def read_audio_folder(root: Path) -> Corpus:
    """Read `CLASS/**/*.wav` (or any other audio file).

    The recording of a clip is its file, or, if its name is that of an UrbanSound8K slice, the recording in that name.

    Args:
        root: folder of class folders.

    Raises UserError where there are no class folders, or no audio file in them.
    """
    refuse_splits(root, AUDIO, "audio clips", "Of audio, class folders are read; avbuild make folder also keeps splits")
    found = find_in_class_folders(root, root, AUDIO, "audio", set())
    clips = []
    for id, (label, path) in found.files.items():
        slice_name = SLICE_NAME.fullmatch(path.stem)
        clips.append(SourceItem("audio", id, label, LocalFile(str(path)), slice_name[1] if slice_name else id))
    return Corpus("audio", folder_credit(root), found.classes, tuple(clips), found.problems)


def read_image_folder(root: Path) -> Corpus:
    """Read `CLASS/**/*.png` (or any other image file), or `train/CLASS/...` and `test/CLASS/...`.

    Args:
        root: folder of class folders, or of `train` and `test`.

    Raises UserError where there are no class folders, or no image file in them.
    """
    # problems call an image file a picture, since build.json and its hashes have that word
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    if [path.name for path in folders_in(root)] != sorted(splits):
        instead = (
            "Of images, train/ and test/ are read, and nothing beside them; avbuild make folder also keeps validation"
        )
        refuse_splits(root, IMAGES, "images", instead)
        found = find_in_class_folders(root, root, IMAGES, "picture", set())
        images = tuple(_image(id, label, path) for id, (label, path) in found.files.items())
        return Corpus("image", folder_credit(root), found.classes, images, found.problems)
    seen: set[str] = set()
    loose = [path for path in visible(root) if path.suffix.lower() in IMAGES]
    problems = [file_problem(path) or Problem(str(path), "in neither train/ nor test/") for path in loose]
    both = {split: find_in_class_folders(root, root / split, IMAGES, "picture", seen) for split in splits}
    return Corpus(
        "image",
        folder_credit(root),
        tuple(sorted({name for found in both.values() for name in found.classes})),
        tuple(
            _image(id, label, path, split) for split, found in both.items() for id, (label, path) in found.files.items()
        ),
        (*problems, *(problem for found in both.values() for problem in found.problems)),
    )


def _image(id: str, label: str, path: Path, split: Literal["train", "test"] | None = None) -> SourceItem:
    return SourceItem("image", id, label, LocalFile(str(path)), group=id, split=split)


def find_in_class_folders(
    root: Path,
    place: Path,
    suffixes: frozenset[str],
    kind: str,
    seen: set[str],
    passed_over: frozenset[str] = frozenset(),
) -> Found:
    """Find the files in class folders.

    Args:
        root: of the source; ids are paths below it.
        place: that holds the class folders: the root, or a split in it.
        suffixes: of the files that are wanted.
        kind: what they are, for problems.
        seen: real paths of folders that have been read.
        passed_over: suffixes of files that another modality reads in the same folder.

    Raises UserError where there is no such file; a class without any is none.
    """
    folders, problems = class_folders(place, suffixes)
    labels: dict[Path, str] = {}
    classes = []
    for label, paths in folders.items():
        media = 0
        for folder in paths:
            files, wrong = walk(folder, seen)
            problems += wrong
            for path in files:
                if path.suffix.lower() in passed_over:
                    continue
                known = path.suffix.lower() in suffixes
                media += known
                problem = (
                    file_problem(path, may_be_empty=suffixes is TEXTS)
                    if known
                    else Problem(str(path), f"not a known {kind} type")
                )
                if problem:
                    problems.append(problem)
                else:
                    labels[path] = label
        if media:
            classes.append(label)
    if not classes:
        reasons = f":\n{listed(problems, 10)}" if problems else ""
        raise UserError(f"{printable(str(place))}: its class folders hold no {kind} file{reasons}")
    named, clashing = unique_ids(root, list(labels))
    return Found(tuple(classes), {id: (labels[path], path) for id, path in named.items()}, (*problems, *clashing))


def folder_credit(root: Path, licence: str = "not stated") -> Credit:
    """Return the credit of a folder of the user's own files."""
    return Credit(name=f"folder {printable(root.name)}", licence=licence, homepage="", citation="")
