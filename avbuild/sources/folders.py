"""A folder of class folders, of sounds or of pictures."""

from collections import Counter
from pathlib import Path
from typing import Literal

from avbuild.errors import UserError
from avbuild.sources.corpus import AudioCorpus, Clip, Credit, LocalFile, Picture, PictureCorpus, Problem
from avbuild.sources.urbansound8k import SLICE_NAME, file_problem

AUDIO = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64"})
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})


def read_audio_folder(root: Path) -> AudioCorpus:
    """Read `class/**/*.wav` (or any other audio file).  A recording is a file, or an UrbanSound8K slice's own."""
    classes = _class_folders(root)
    files, problems = _files(root, classes, AUDIO, "audio")
    clips = []
    for id, (label, path) in _named(root, files).items():
        slice_name = SLICE_NAME.fullmatch(path.stem)
        clips.append(Clip(id, label, slice_name[1] if slice_name else id, 0, LocalFile(str(path))))
    return AudioCorpus(_credit(root), classes, tuple(clips), problems)


def read_picture_folder(root: Path) -> PictureCorpus:
    """Read `class/**/*.png` (or any other picture), or `train/class/...` and `test/class/...`."""
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    if not all((root / split).is_dir() for split in splits):
        classes = _class_folders(root)
        files, problems = _files(root, classes, PICTURES, "picture")
        found = _named(root, files).items()
        pictures = tuple(Picture(id, label, None, LocalFile(str(path))) for id, (label, path) in found)
        return PictureCorpus(_credit(root), classes, pictures, problems)
    classes = tuple(sorted({name for split in splits for name in _class_folders(root / split)}))
    both: list[Picture] = []
    problems = ()
    for split in splits:
        files, wrong = _files(root / split, classes, PICTURES, "picture")
        problems += wrong
        both += [Picture(id, label, split, LocalFile(str(path))) for id, (label, path) in _named(root, files).items()]
    return PictureCorpus(_credit(root), classes, tuple(both), problems)


def _class_folders(root: Path) -> tuple[str, ...]:
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    classes = tuple(sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if not classes:
        there = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise UserError(f"{root}: no class folders here, only {there}; expected {root}/CLASS/FILE")
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
    """Path below root without suffix; with it where two files would be called the same."""
    stems = Counter(path.relative_to(root).with_suffix("").as_posix() for _, path in files)
    named = {}
    for label, path in files:
        below = path.relative_to(root)
        stem = below.with_suffix("").as_posix()
        named[stem if stems[stem] == 1 else below.as_posix()] = (label, path)
    return named


def _credit(root: Path) -> Credit:
    return Credit(name=f"folder {root.name}", licence="not stated", homepage="", citation="")
