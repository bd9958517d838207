"""A folder of class folders, of audio or of images."""

from collections import Counter
from pathlib import Path
from typing import Literal

from avbuild.errors import UserError
from avbuild.sources.corpus import Corpus, Credit, LocalFile, Problem, SourceItem
from avbuild.sources.files import contents, file_problem
from avbuild.sources.urbansound8k_table import SLICE_NAME

AUDIO = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64"})
# problems call an image file a picture, since build.json and its hashes have that word
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})


def read_audio_folder(root: Path) -> Corpus:
    """Read `CLASS/**/*.wav` (or any other audio file).

    The recording of a clip is its file, or, if its name is that of an UrbanSound8K slice, the recording in that name.

    Args:
        root: folder of class folders.

    Raises UserError where there are no class folders, or no audio file in them.
    """
    classes = _class_folders(root)
    files, problems = _files(root, classes, AUDIO, "audio")
    clips = []
    for id, (label, path) in _named(root, files).items():
        slice_name = SLICE_NAME.fullmatch(path.stem)
        clips.append(SourceItem("audio", id, label, LocalFile(str(path)), slice_name[1] if slice_name else id))
    return Corpus("audio", _credit(root), classes, tuple(clips), problems)


def read_image_folder(root: Path) -> Corpus:
    """Read `CLASS/**/*.png` (or any other image file), or `train/CLASS/...` and `test/CLASS/...`.

    Args:
        root: folder of class folders, or of `train` and `test`.

    Raises UserError where there are no class folders, or no image file in them.
    """
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    if not all((root / split).is_dir() for split in splits):
        classes = _class_folders(root)
        files, problems = _files(root, classes, IMAGES, "picture")
        found = _named(root, files).items()
        images = tuple(_image(id, label, path) for id, (label, path) in found)
        return Corpus("image", _credit(root), classes, images, problems)
    classes = tuple(sorted({name for split in splits for name in _class_folders(root / split)}))
    both: list[SourceItem] = []
    problems = ()
    for split in splits:
        files, wrong = _files(root / split, classes, IMAGES, "picture")
        problems += wrong
        both += [_image(id, label, path, split) for id, (label, path) in _named(root, files).items()]
    return Corpus("image", _credit(root), classes, tuple(both), problems)


def _image(id: str, label: str, path: Path, split: Literal["train", "test"] | None = None) -> SourceItem:
    return SourceItem("image", id, label, LocalFile(str(path)), group=id, split=split)


def _class_folders(root: Path) -> tuple[str, ...]:
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    classes = tuple(sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if not classes:
        raise UserError(f"{root}: no class folders here, only {contents(root)}; expected {root}/CLASS/FILE")
    return classes


def _files(
    root: Path, classes: tuple[str, ...], suffixes: frozenset[str], kind: str
) -> tuple[list[tuple[str, Path]], tuple[Problem, ...]]:
    files, problems = [], []
    for label in classes:
        for path in sorted((root / label).rglob("*")):
            if path.is_dir() or any(part.startswith(".") for part in path.relative_to(root).parts):
                continue
            if path.suffix.lower() not in suffixes:
                problems.append(Problem(str(path), f"not a known {kind} type"))
            elif problem := file_problem(path):
                problems.append(problem)
            else:
                files.append((label, path))
    if not files and not problems:
        raise UserError(f"{root}: its class folders hold no {kind} file")
    return files, tuple(problems)


def _named(root: Path, files: list[tuple[str, Path]]) -> dict[str, tuple[str, Path]]:
    """Return files by id: the path below root without suffix, or with it where two files would have the same id."""
    stems = Counter(path.relative_to(root).with_suffix("").as_posix() for _, path in files)
    named = {}
    for label, path in files:
        below = path.relative_to(root)
        stem = below.with_suffix("").as_posix()
        named[stem if stems[stem] == 1 else below.as_posix()] = (label, path)
    return named


def _credit(root: Path) -> Credit:
    return Credit(name=f"folder {root.name}", licence="not stated", homepage="", citation="")
