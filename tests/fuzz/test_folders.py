"""Odd trees of class folders: every file is used once or has a reason, and all of it can be written down."""

import json
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from numpy.random import Generator, default_rng

from avbuild.errors import UserError
from avbuild.sources.corpus import Corpus
from avbuild.sources.folders import read_audio_folder, read_image_folder
from avbuild.sources.label_map import match_classes
from avbuild.sources.layout import SPLIT_OF
from avbuild.sources.options import Options
from avbuild.sources.own_folders import read_own_folder
from avbuild.sources.walk import folders_in
from tests.fuzz.damage import CASES, no_hang

ELAN = "\N{LATIN SMALL LETTER E WITH ACUTE}lan"
STEMS = (
    "x", "x.wav", "x.wav.flac", "x.png", ELAN, unicodedata.normalize("NFD", ELAN), os.fsdecode(b"caf\xe9"), "a\nb",
    "[bold]", "\x1b[1m", " ", "...x", ".hidden", "__MACOSX", "-", "--", "a" * 240, "\N{HANGUL SYLLABLE GA}" * 80, "con",
    "CON", "1-3-0-0", "train", "test", "val", "audio", "meta", "fold1", "fold2", "\N{SUPERSCRIPT TWO}", "\u202ex",
    "a\\b", "*", "?",
)  # fmt: skip
SUFFIXES = (".wav", ".WAV", ".aiff", ".flac", ".png", ".jfif", ".avif", ".txt", "", ".wav ", ".")
CONTENTS = (b"", b"x", b"version https://git-lfs.github.com/spec/v1\n", b"RIFF" + bytes(2_000))
LINKS = (".", "..", "../..", "/", "x", "x.wav", "nowhere", ".." + "/x" * 50, "a" * 300, os.fsdecode(b"\xff"))


def grow(root: Path, rng: Generator) -> None:
    """Make a few folders, files and links of odd names below a folder."""
    folders = [root]
    for _ in range(int(rng.integers(1, 16))):
        here = folders[rng.integers(len(folders))]
        name = STEMS[rng.integers(len(STEMS))]
        kind = rng.integers(8)
        file = here / (name + SUFFIXES[rng.integers(len(SUFFIXES))])
        try:
            if kind < 3:
                (here / name).mkdir()
                folders.append(here / name)
            elif kind < 7:
                file.write_bytes(CONTENTS[rng.integers(len(CONTENTS))])
            elif rng.integers(2):
                file.symlink_to(LINKS[rng.integers(len(LINKS))])
            else:
                (here / name).symlink_to(LINKS[rng.integers(len(LINKS))])
        except (FileExistsError, IsADirectoryError, OSError):
            continue


def class_folders(root: Path) -> list[Path]:
    """Return what stands where classes are expected: beside each other, or in splits and beside these."""
    splits = [folder for folder in folders_in(root) if folder.name.lower() in SPLIT_OF and folders_in(folder)]
    return [*(path for split in splits for path in split.iterdir()), *(p for p in root.iterdir() if p not in splits)]


def check(root: Path, corpus: Corpus, folders: Sequence[Path]) -> None:
    ids = [item.id for item in corpus.items]
    assert len(set(ids)) == len(ids)
    assert all(item.label in corpus.classes for item in corpus.items)
    assert corpus.classes == tuple(sorted(set(corpus.classes)))
    used = [item.media.name for item in corpus.items]
    named = [problem.path for problem in corpus.problems]
    assert len({*used, *named}) == len(used) + len(named)
    for text in (*ids, *corpus.classes):
        assert unicodedata.is_normalized("NFC", text)
    for text in (*ids, *corpus.classes, *named, *(problem.what for problem in corpus.problems), corpus.credit.name):
        json.dumps(text, ensure_ascii=False).encode()
    assert all(problem.path.isprintable() for problem in corpus.problems)
    links = any(path.is_symlink() for path in root.rglob("*"))
    if not links:  # every file in a class folder is used or has a reason
        real = [path for folder in folders for path in folder.rglob("*") if folder.is_dir() and path.is_file()]
        assert sum(countable(root, path) for path in real) == sum(
            countable_name(root, name) for name in (*used, *named)
        )


def countable(root: Path, path: Path) -> bool:
    parts = path.relative_to(root).parts
    seen = not any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return seen and not any("\udc80" <= letter <= "\udcff" for part in parts for letter in part)


def countable_name(root: Path, name: str) -> bool:
    return "caf\\xe9" not in name and os.sep in name.removeprefix(f"{root}/")


def read_own_audio(root: Path) -> Corpus:
    return read_own_folder("audio", root, Options(sources=root)).corpus


def test_odd_trees(tmp_path: Path) -> None:
    read, refused = 0, 0
    for number in range(6 * CASES):
        rng = default_rng(number)
        root = tmp_path / str(number)
        root.mkdir()
        grow(root, rng)
        for reader in (read_audio_folder, read_image_folder, read_own_audio):
            with no_hang():
                try:
                    corpus = reader(root)
                except UserError as error:
                    assert str(root) in str(error)
                    str(error).encode()
                    refused += 1
                else:
                    check(root, corpus, class_folders(root) if reader == read_own_audio else [*root.iterdir()])
                    match_classes(corpus.classes, corpus.classes, {})
                    read += 1
    assert min(read, refused) > CASES
