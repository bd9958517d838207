"""A user's own files: every file is used or named with a reason, whatever the folders hold."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avbuild.errors import UsageError, UserError
from avbuild.pipeline.prepare import Prepared, prepare
from avbuild.sources.options import Options
from avbuild.sources.own import BUILDER
from tests.support.own_files import write_classes, write_media, write_tree

MEDIA = {".wav", ".flac", ".png", ".jpg"}


def prepared(skip_bad: bool = False, **options: object) -> Prepared:
    return prepare(BUILDER, Options(sources=Path("none"), name="mine", **options), 1, skip_bad)  # type: ignore[arg-type]


def used(result: Prepared) -> set[str]:
    return {item.media.name for sample in result.samples for item in sample.items}


def reasons(result: Prepared) -> dict[str, str]:
    return {Path(problem.path).as_posix(): problem.what for problem in result.left_out}


def media_below(*roots: Path) -> set[str]:
    return {str(path) for root in roots for path in root.rglob("*") if path.suffix in MEDIA}


def splits_of(result: Prepared) -> dict[str, str]:
    return {sample.id: sample.split for sample in result.samples}


stems = st.sampled_from(["0001", "0002", "0003", "a.b", "deep/0001"])
files = st.sets(
    st.tuples(
        st.sampled_from(["", "train/", "val/", "test/", "Test/"]),
        st.sampled_from(["", "dog/", "Dog/", "cat/", "train/", "car_horn/", "car horn/"]),
        stems,
        st.sampled_from([".wav", ".flac", ".png", ".jpg", ".txt"]),
    ).map("".join),
    max_size=24,
)
plain = tuple(
    f"{name}/{index:04d}{suffix}" for name in ("cat", "dog") for index in range(4) for suffix in (".wav", ".png")
)


@settings(max_examples=150)
@given(names=files, pair=st.sampled_from(["stem", "class", "index"]), together=st.booleans())
@example(names=set(plain), pair="stem", together=True)
@example(names=set(plain) | {"cat/0009.wav", "dog/0008.png", "bird/1.wav"}, pair="stem", together=False)
@example(names={f"train/{name}" for name in plain} | {f"test/{name}" for name in plain}, pair="class", together=False)
def test_every_file_is_used_or_named_or_all_are_refused(names: set[str], pair: str, together: bool) -> None:
    place = Path(tempfile.mkdtemp())
    try:
        roots = (place / "all", place / "all") if together else (place / "audio", place / "image")
        for number, name in enumerate(sorted(names)):
            sound = name.endswith((".wav", ".flac"))
            write_media((roots[0] if sound or name.endswith(".txt") else roots[1]) / name, number)
        try:
            result = prepared(skip_bad=True, audio=roots[0], image=roots[1], pair=pair)
        except UserError:  # a doubtful layout, or too few files: nothing is lost without a word
            return
        assert used(result) | set(reasons(result)) >= media_below(*roots)
        assert not used(result) & set(reasons(result))
        by_group: dict[str, set[str]] = {}
        for sample in result.samples:
            by_group.setdefault(sample.first.group, set()).add(sample.split)
        assert result.given_splits or all(len(splits) == 1 for splits in by_group.values())
    finally:
        shutil.rmtree(place)


def test_files_of_equal_stem_are_pairs_and_none_is_lost(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav", ("cat", "dog", "cow"), 60)
    image = write_classes(tmp_path / "i", ".jpg", ("cat", "dog", "cow"), 60, start=500)
    result = prepared(audio=audio, image=image, pair="stem")
    assert len(result.samples) == 180
    assert not result.left_out
    for sample in result.samples:
        clip, picture = (Path(item.media.name) for item in sample.items)
        assert (clip.parent.name, clip.stem) == (picture.parent.name, picture.stem)


def test_stems_without_a_partner_are_left_out_and_counted(tmp_path: Path) -> None:
    audio = write_tree(write_classes(tmp_path / "a", ".wav"), ("dog/alone.wav", "fox/1.wav"), 100)
    image = write_tree(write_classes(tmp_path / "i", ".png", start=200), ("cat/alone.png",), 300)
    result = prepared(audio=audio, image=image, pair="stem")
    assert reasons(result) == {
        f"{audio}/dog/alone.wav": "no image with this name in class dog",
        f"{audio}/fox/1.wav": "class fox has no images",
        f"{image}/cat/alone.png": "no audio clip with this name in class cat",
    }
    assert result.material.classes == ("cat", "dog")
    assert "24 samples; without a partner and left out: 2 audio clips and 1 images" in result.material.announcements[0]


def test_two_files_of_one_stem_are_unclear(tmp_path: Path) -> None:
    audio = write_tree(write_classes(tmp_path / "a", ".wav"), ("dog/0003.flac",), 100)
    image = write_classes(tmp_path / "i", ".png", start=200)
    with pytest.raises(UserError, match="2 files cannot be used"):
        prepared(audio=audio, image=image, pair="stem")
    result = prepared(skip_bad=True, audio=audio, image=image, pair="stem")
    assert set(reasons(result)) == {f"{audio}/dog/0003.{s}" for s in ("wav", "flac")} | {f"{image}/dog/0003.png"}
    alone = prepared(audio=audio)  # there is nothing to be unclear about
    assert len(alone.samples) == 25


def test_class_names_are_equal_whatever_their_case(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav", ("Car_Horn", "Dog"))
    image = write_classes(tmp_path / "i", ".png", ("car horn", "dog"), start=200)
    for pair in ("stem", "class"):
        result = prepared(audio=audio, image=image, pair=pair)
        assert (len(result.samples), result.material.classes) == (24, ("Car_Horn", "Dog"))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "validation", "test"), ("train", "test")])
@pytest.mark.parametrize("pair", ["stem", "class"])
def test_given_splits_are_kept(names: tuple[str, ...], pair: str, tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav", splits=names, count=20)
    image = write_classes(tmp_path / "i", ".png", splits=names, count=20, start=500)
    result = prepared(audio=audio, image=image, pair=pair)
    assert result.given_splits
    for sample in result.samples:
        given = {Path(item.media.name).parts[-3].lower() for item in sample.items}
        assert len(given) == 1
        allowed = {"train": {"train"} if len(names) == 3 else {"train", "validation"}, "test": {"test"}}
        assert sample.split in allowed.get(given.pop(), {"validation"})
    assert {"train", "validation", "test"} == set(splits_of(result).values())


def test_splits_of_one_side_only_and_splits_without_test_are_refused(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav", splits=("train", "test"))
    image = write_classes(tmp_path / "i", ".png", start=200)
    with pytest.raises(UserError, match="audio has train, test; image has no splits") as caught:
        prepared(audio=audio, image=image, pair="stem")
    assert str(caught.value).count("understood as follows") == 2
    lacking = write_classes(tmp_path / "l", ".wav", splits=("train", "val"))
    with pytest.raises(UserError, match="has the split train and validation, but no test"):
        prepared(audio=lacking)


@pytest.mark.parametrize("pair", ["stem", "class"])
def test_classes_of_other_names_stop_unless_pairing_by_index_is_asked_for(pair: str, tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav", ("bark", "meow"))
    image = write_classes(tmp_path / "i", ".png", ("cat", "dog"), start=200)
    with pytest.raises(UserError, match="no class of audio is a class of image: bark, meow and cat, dog") as caught:
        prepared(audio=audio, image=image, pair=pair)
    assert "--pair index" in str(caught.value)
    result = prepared(audio=audio, image=image, pair="index")
    assert {name: found.partners for name, found in result.material.match.items()} == {
        "bark": ("cat",),
        "meow": ("dog",),
    }
    assert len(result.samples) == 24


def test_a_class_without_a_partner_stops_pairing_by_class(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav", ("cat", "cow", "dog"))
    image = write_classes(tmp_path / "i", ".png", ("cat", "dog"), start=200)
    with pytest.raises(UserError, match="12 no class fits its class cow"):
        prepared(audio=audio, image=image, pair="class")
    result = prepared(skip_bad=True, audio=audio, image=image, pair="class")
    assert result.material.classes == ("cat", "dog")
    assert set(reasons(result).values()) == {"no class fits its class cow"}


def test_surplus_partners_are_named_and_few_are_repeated_evenly(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav")
    image = write_classes(tmp_path / "i", ".png", count=30, start=200)
    result = prepared(audio=audio, image=image, pair="class")
    assert len(result.samples) == 24
    assert len(result.left_out) == 60 - 24
    fewer = prepared(
        audio=image.with_name("a"), image=write_classes(tmp_path / "f", ".png", count=6, start=500), pair="class"
    )
    counts = [sum(item.items[1].id == id for item in fewer.samples) for id in {s.items[1].id for s in fewer.samples}]
    assert len(counts) == 12
    assert max(counts) <= 3


def test_copies_of_a_file_are_one_recording(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav", count=20)
    for number in range(10):
        shutil.copy(audio / "dog" / "0000.wav", audio / "cat" / f"copy{number}.wav")
    result = prepared(audio=audio)
    same = [s for s in result.samples if s.id == "dog/0000" or "copy" in s.id]
    assert len({sample.first.group for sample in same}) == 1
    assert len({sample.split for sample in same}) == 1
    assert "11 files are copies of one another (1 contents)" in result.material.announcements[0]


def test_groups_come_from_the_names_where_a_pattern_is_given(tmp_path: Path) -> None:
    names = tuple(
        f"{name}/{speaker}-{take}.wav" for name in ("cat", "dog") for speaker in range(10) for take in range(3)
    )
    audio = write_tree(tmp_path / "a", names)
    result = prepared(audio=audio, group_pattern="^([0-9]+)-")
    splits: dict[str, set[str]] = {}
    for sample in result.samples:
        assert sample.first.group == sample.id.split("/")[1].split("-")[0]
        splits.setdefault(sample.first.group, set()).add(sample.split)
    assert len(splits) == 10
    assert all(len(found) == 1 for found in splits.values())
    with pytest.raises(UserError, match="finds nothing in 60 of 60 names"):
        prepared(audio=audio, group_pattern="(x)")
    for wrong in ("(", "^x", "(a)(b)"):
        with pytest.raises(UsageError, match="--group-pattern"):
            prepared(audio=audio, group_pattern=wrong)


def test_a_partner_of_a_damaged_file_is_named(tmp_path: Path) -> None:
    audio = write_classes(tmp_path / "a", ".wav")
    image = write_classes(tmp_path / "i", ".png", start=200)
    (audio / "dog" / "0001.wav").write_bytes(b"no audio at all, but not empty")
    result = prepared(skip_bad=True, audio=audio, image=image, pair="stem")
    assert reasons(result)[f"{image}/dog/0001.png"] == "its partner cannot be used"
    assert len(result.samples) == 23


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "give at least one of --audio DIR"),
        ({"audio": "a", "image": "i"}, "say with --pair how audio and image belong together"),
        ({"audio": "a", "fps": 2.0}, "--fps goes with --video"),
        ({"audio": "a", "image": "i", "pair": "stem", "label_map": Path("x")}, "--label-map goes with"),
    ],
)
def test_options_that_do_not_fit_are_explained(options: dict[str, object], why: str, tmp_path: Path) -> None:
    write_classes(tmp_path / "a", ".wav")
    write_classes(tmp_path / "i", ".png")
    given = {
        key: tmp_path / value if isinstance(value, str) and key != "pair" else value for key, value in options.items()
    }
    with pytest.raises(UsageError, match=why):
        prepared(**given)


@pytest.mark.parametrize("pair", ["stem", "class"])
def test_audio_images_and_texts_are_three_modalities(pair: str, tmp_path: Path) -> None:
    roots = {name: tmp_path / name for name in ("audio", "image", "text")}
    for start, (root, suffix) in enumerate(zip(roots.values(), (".wav", ".png", ".txt"), strict=True)):
        write_classes(root, suffix, count=12, start=100 * start)
    (roots["text"] / "dog" / "0003.txt").write_bytes(b"")  # an empty text is a text
    (roots["text"] / "dog" / "0004.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(UserError, match=r"0004.txt: unreadable: not UTF-8"):
        prepared(pair=pair, **roots)
    result = prepared(skip_bad=True, pair=pair, **roots)
    assert result.material.modalities == ("audio", "image", "text")
    assert len(result.samples) == (23 if pair == "stem" else 24)
    for sample in result.samples:
        assert len({item.label for item in sample.items}) == 1
        assert pair == "class" or len({Path(item.media.name).stem for item in sample.items}) == 1
    assert str(roots["text"] / "dog" / "0003.txt") in used(result)
