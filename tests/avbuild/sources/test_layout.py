"""Layouts of a user's own folders: recognised, or refused with the folder as it was understood."""

from pathlib import Path

import pytest

from avbuild.errors import UserError
from avbuild.sources.folders import AUDIO, read_audio_folder, read_image_folder
from avbuild.sources.layout import recognise, tree
from tests.support.own_files import write_tree

REFUSED = [
    (("train/dog/a.wav", "test/dog/b.wav", "cat/c.wav"), "test/ and train/ hold folders.*cat/ beside them"),
    (("train/dog/a.wav", "cat/c.wav"), "train/ hold folders.*cat/ beside them"),
    (("train/dog/a.wav", "test/b.wav"), "train/ hold folders.*test/ beside them would be classes"),
    (("dog/a.wav", "b.wav"), "audio clips in no class folder: 1, such as b.wav"),
    (("train/dog/a.wav", "test/dog/b.wav", "c.wav"), "audio clips in no class folder: 1, such as c.wav"),
    (("train/dog/a.wav", "train/c.wav", "test/dog/b.wav"), "audio clips in no class folder: 1, such as c.wav"),
    (("a.wav", "b.wav"), "audio clips in no class folder: 2"),
    (("val/dog/a.wav", "valid/dog/b.wav", "train/dog/c.wav"), "val/ and valid/ would both be the validation split"),
    (("train/a.wav", "test/b.wav"), "test/ and train/ would be splits, but hold no class folders"),
    (("train/a.wav", "test/b.wav", "dog/c.wav"), "test/ and train/ would be splits, but other folders stand beside"),
    (("dog/train/a.wav", "dog/test/b.wav", "cat/c.wav"), "dog/ holds test/ and train/; splits stand above"),
    (("train/Dog/a.wav", "test/dog/b.wav"), "dog/ and Dog/ would be two classes of one name|Dog/ and dog/ would be"),
    (("car_horn/a.wav", "car-horn/b.wav"), "would be two classes of one name"),
]


@pytest.mark.parametrize(("names", "why"), REFUSED)
def test_a_doubtful_layout_is_refused_with_the_folder_as_understood(
    names: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    write_tree(tmp_path, names)
    with pytest.raises(UserError, match=why) as caught:
        recognise(tmp_path, AUDIO, "audio clips")
    message = str(caught.value)
    assert "understood as follows" in message
    assert "allowed: CLASS/FILE" in message
    assert len(message.splitlines()) <= 14
    for name in {name.split("/")[0] for name in names if "/" in name}:
        assert f"  {name}/" in message


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("dog/a.wav", "cat/b.wav"), ()),
        (("dog/a.wav", "dog/deep/b.wav", "README.md", "labels.csv"), ()),
        (("train/dog/a.wav", "test/dog/b.wav"), ("train", "test")),
        (("Train/dog/a.wav", "VAL/dog/b.wav", "Test/dog/c.wav"), ("train", "validation", "test")),
        (("train/dog/a.wav", "dev/dog/b.wav", "test/dog/c.wav", "notes.txt"), ("train", "validation", "test")),
        (("train/a.wav", "airplane/b.wav", "video/c.wav"), ()),  # a train is a vehicle too
    ],
)
def test_these_layouts_are_recognised(names: tuple[str, ...], splits: tuple[str, ...], tmp_path: Path) -> None:
    layout, problems = recognise(write_tree(tmp_path, names), AUDIO, "audio clips")
    assert layout.splits == splits
    assert not problems


def test_files_beside_split_folders_that_are_no_media_are_named(tmp_path: Path) -> None:
    write_tree(tmp_path, ("train/dog/a.wav", "test/dog/b.wav", "docs/about.txt"))
    _, problems = recognise(tmp_path, AUDIO, "audio clips")
    assert [str(problem) for problem in problems] == [f"{tmp_path}/docs/about.txt: beside the split folders"]


def test_the_tree_of_many_folders_stays_short(tmp_path: Path) -> None:
    write_tree(tmp_path, tuple(f"class{number:03d}/a.wav" for number in range(50)))
    shown = tree(tmp_path, AUDIO, "audio clips").splitlines()
    assert len(shown) == 11
    assert "... and 42 more folders" in shown[-2]


@pytest.mark.parametrize(
    "names",
    [
        ("train/dog/a.wav", "val/dog/b.wav", "test/dog/c.wav"),
        ("train/dog/a.wav", "cat/b.wav"),
        ("Train/dog/a.wav", "Test/dog/b.wav"),
        ("train/dog/a.wav", "cat/b.wav", "horse/c.wav"),
    ],
)
def test_split_folders_never_become_classes_of_the_published_data_sets(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not classes") as caught:
        read_audio_folder(write_tree(tmp_path / "a", names))
    assert "understood as follows (a/)" in str(caught.value)
    with pytest.raises(UserError, match="not classes"):
        read_image_folder(write_tree(tmp_path / "i", tuple(name.replace(".wav", ".png") for name in names)))
