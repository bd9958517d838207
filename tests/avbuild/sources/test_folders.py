"""Class folders: every file is used or has a reason, whatever its name is and whatever links lead to it."""

import io
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from avbuild.errors import UserError
from avbuild.sources.audio_corpora import read_any_audio
from avbuild.sources.corpus import Corpus, Problem
from avbuild.sources.folders import read_audio_folder, read_image_folder
from avbuild.sources.kaggle import read_kaggle
from avbuild.sources.label_map import load_label_map, match_classes
from avbuild.sources.options import Options

ELAN = "\N{LATIN SMALL LETTER E WITH ACUTE}lan"
NFD = unicodedata.normalize("NFD", ELAN)

SINK = io.BytesIO()
soundfile.write(SINK, np.zeros(10), 16_000, format="WAV")
WAV = SINK.getvalue()
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
SUFFIXES = "jpe jfif dib avif jp2 pgm pbm pnm tga qoi JFIF png jpg jpeg bmp gif webp tif tiff ppm"


def clip(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(WAV)
    return path


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, "PNG")
    return path


def reasons(corpus: Corpus) -> dict[str, str]:
    return {Path(problem.path).name: problem.what for problem in corpus.problems}


def test_names_match_however_their_accents_are_written(tmp_path: Path) -> None:
    for name in (ELAN, "zebre"):
        clip(tmp_path / "a" / name / "x.wav")
    for name in (NFD, "zebre"):
        picture(tmp_path / "p" / name / "x.png")
    audio, images = read_audio_folder(tmp_path / "a"), read_image_folder(tmp_path / "p")
    assert audio.classes == images.classes
    assert [item.id for item in audio.items] == [item.id for item in images.items]
    match = match_classes((NFD, "zebre"), (ELAN, "zebre"), {})
    assert not any(found.by_index for found in match.values())
    (tmp_path / "map.yaml").write_text(f"{NFD}: [{NFD}]\n")
    assert load_label_map(tmp_path / "map.yaml", audio.classes, images.classes) == {ELAN: (ELAN,)}


def test_two_folders_of_one_name_are_one_class(tmp_path: Path) -> None:
    for path in (f"{ELAN}/x.wav", f"{NFD}/x.wav", f"{NFD}/y.wav"):
        clip(tmp_path / path)
    corpus = read_audio_folder(tmp_path)
    assert corpus.classes == (ELAN,)
    assert len(corpus.items) == len({item.id for item in corpus.items}) == 2
    assert [problem.what for problem in corpus.problems] == [
        "has the name of another file, but for how an accent is written"
    ]


def test_hidden_empty_and_system_folders_are_no_classes(tmp_path: Path) -> None:
    for path in ("cat/a.png", "dog/b.png", "__MACOSX/cat/._a.png", ".cache/c.png", "dog/__MACOSX/._b.png"):
        picture(tmp_path / path)
    (tmp_path / "empty" / "inside").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.me").write_text("x")
    corpus = read_image_folder(tmp_path)
    assert corpus.classes == ("cat", "dog")
    assert len(corpus.items) == 2
    assert reasons(corpus) == {"read.me": "not a known picture type"}


def test_files_of_one_stem_keep_ids_of_their_own(tmp_path: Path) -> None:
    for name in ("x.wav", "x.aiff", "x.wav.flac", "x.wav.flac.mp3", "y.wav"):
        clip(tmp_path / "dog" / name)
    ids = [item.id for item in read_audio_folder(tmp_path).items]
    assert sorted(ids) == ["dog/x.aiff", "dog/x.wav", "dog/x.wav.flac", "dog/x.wav.flac.mp3", "dog/y"]


def test_ids_of_files_that_do_not_clash_have_no_suffix(tmp_path: Path) -> None:
    for name in ("x.wav", "x.wav.flac"):
        clip(tmp_path / "dog" / name)
    assert [item.id for item in read_audio_folder(tmp_path).items] == ["dog/x", "dog/x.wav"]


def test_links_are_followed_and_loops_are_problems(tmp_path: Path) -> None:
    root = tmp_path / "a"
    clip(root / "cat" / "a.wav")
    clip(root / "dog" / "b.wav")
    clip(tmp_path / "elsewhere" / "c.wav")
    clip(tmp_path / "elsewhere" / "deep" / "d.wav")
    for link, target in (
        ("cat/part", "../../elsewhere"),
        ("cat/again", "../../elsewhere"),
        ("cat/up", ".."),
        ("dog/all", "/"),
        ("dog/self.wav", "self.wav"),
        ("dog/gone.wav", "nowhere.wav"),
        ("dog/cat", "../cat"),
        ("loop", "loop"),
        ("mirror", "."),
    ):
        (root / link).symlink_to(target)
    corpus = read_audio_folder(root)
    assert {item.id for item in corpus.items} == {"cat/a", "dog/b", "cat/again/c", "cat/again/deep/d"}
    assert reasons(corpus) == {
        "part": "a link to a folder that is read already",
        "up": "a link to a folder around it",
        "all": "a link to a folder around it",
        "self.wav": "unreadable: Too many levels of symbolic links",
        "gone.wav": "missing",
        "cat": "a link to a folder that is read already",
        "mirror": "a link to a folder around it",
    }


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    clip(tmp_path / "dog" / "a.wav")
    os.mkfifo(tmp_path / "dog" / "pipe.wav")
    (tmp_path / "dog" / "folder.wav").mkdir()
    (tmp_path / "dog" / "pointer.wav").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    clip(tmp_path / "loose.wav")
    (tmp_path / "README.md").write_text("x")
    assert reasons(read_audio_folder(tmp_path)) == {
        "pipe.wav": "not a file",
        "pointer.wav": "a Git-LFS pointer, not the file it stands for",
        "loose.wav": "in no class folder",
    }


def test_names_that_are_not_utf8_are_escaped(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "a.png")
    picture(tmp_path / "cat" / os.fsdecode(b"caf\xe9.png"))
    picture(tmp_path / os.fsdecode(b"caf\xe9") / "b.png")
    picture(tmp_path / "cat" / os.fsdecode(b"caf\xe9") / "c.png")
    corpus = read_image_folder(tmp_path)
    assert [item.id for item in corpus.items] == ["cat/a"]
    assert sorted(problem.path.removeprefix(f"{tmp_path}/") for problem in corpus.problems) == [
        "caf\\xe9",
        "cat/caf\\xe9",
        "cat/caf\\xe9.png",
    ]
    assert {problem.what for problem in corpus.problems} == {"its name is not UTF-8"}
    picture(tmp_path / os.fsdecode(b"r\xe9") / "cat" / "a.png")
    assert read_image_folder(tmp_path / os.fsdecode(b"r\xe9")).credit.name == "folder r\\xe9"
    assert str(Problem("a\nb\x1b[1m", "x")) == "a\\nb\\x1b[1m: x"


@pytest.mark.parametrize("suffix", SUFFIXES.split())
def test_suffixes_that_pillow_reads_are_accepted(tmp_path: Path, suffix: str) -> None:
    picture(tmp_path / "cat" / f"a.{suffix}")
    assert read_image_folder(tmp_path).problems == ()


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (("audio/a.wav", "meta/b.wav"), "audio/ and meta/ are parts of a corpus"),
        (("esc/audio/a.wav", "esc/meta/b.wav"), "audio/ and meta/ are parts of a corpus"),
        (("AudioWAV/a.wav", "VideoFlash/b.wav"), "audiowav/ and videoflash/ are parts of a corpus"),
        (("fold1/a.wav", "fold2/b.wav"), "fold1/ and fold2/ are parts of a corpus"),
        (("audio/fold1/a.wav", "audio/fold2/b.wav"), "fold1/ and fold2/ are parts of a corpus"),
        (("train/dog/a.wav", "val/dog/b.wav", "test/dog/c.wav"), "test/ and train/ and val/ are splits"),
        (("sounds/dog/a.wav", "sounds/cat/b.wav"), "holds one folder of folders, sounds"),
        (("a.wav",), "no class folders here"),
        (("dog/a.txt",), "hold no audio file"),
    ],
)
def test_parts_of_a_corpus_are_not_classes(tmp_path: Path, paths: tuple[str, ...], why: str) -> None:
    for path in paths:
        clip(tmp_path / path)
    with pytest.raises(UserError, match=why):
        read_any_audio(Options(sources=tmp_path, audio_root=tmp_path))


def test_classes_may_have_names_that_also_stand_for_splits_and_parts(tmp_path: Path) -> None:
    for path in ("train/a.wav", "airplane/b.wav", "video/c.wav"):
        clip(tmp_path / path)
    assert read_audio_folder(tmp_path).classes == ("airplane", "train", "video")


def test_images_beside_train_and_test_do_not_vanish(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        picture(tmp_path / split / "cat" / "a.png")
    with pytest.raises(UserError, match="test/ and train/ and val/ are splits, not classes"):
        read_image_folder(tmp_path)
    shutil.rmtree(tmp_path / "val")
    picture(tmp_path / "loose.png")
    corpus = read_image_folder(tmp_path)
    assert {item.split for item in corpus.items} == {"train", "test"}
    assert reasons(corpus) == {"loose.png": "in neither train/ nor test/"}


def test_a_release_without_a_usable_file_is_an_error(tmp_path: Path) -> None:
    for folder, name in (("Dataset_v3_sound", "a.wav"), ("Dataset_v3_vision", "a.png")):
        (tmp_path / folder / "dog").mkdir(parents=True)
        (tmp_path / folder / "dog" / name).write_bytes(b"")
    audio, images = read_kaggle(tmp_path, None)
    assert [problem.what for problem in (*audio.problems, *images.problems)] == ["empty", "empty"]
