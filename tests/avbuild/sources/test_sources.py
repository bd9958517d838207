"""Corpora: they are read in the layouts of their publishers, and unusable files are named."""

import csv
import io
import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from avbuild.errors import UsageError, UserError
from avbuild.modalities.audio import read_audio
from avbuild.modalities.base import Unreadable
from avbuild.sources.audio_corpora import read_any_audio
from avbuild.sources.cifar10 import read_cifar10
from avbuild.sources.folders import read_audio_folder, read_image_folder
from avbuild.sources.images import read_images
from avbuild.sources.kaggle import read_kaggle
from avbuild.sources.options import Options
from avbuild.sources.urbansound8k import read_urbansound8k, recordings_across_folds
from avbuild.sources.urbansound8k_table import read_table
from tests.conftest import CIFAR10, URBANSOUND8K, write_image_folder, write_urbansound8k


def encoded(samples: np.ndarray, rate: int, **options: str) -> bytes:  # type: ignore[type-arg]
    sink = io.BytesIO()
    soundfile.write(sink, samples, rate, **options)
    return sink.getvalue()


CONTAINERS = (
    ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"),
    ("WAV", "IMA_ADPCM"), ("FLAC", "PCM_24"), ("AIFF", "PCM_16"), ("OGG", "VORBIS"),
)  # fmt: skip
FORMATS = [
    (rate, channels, kind, subtype)
    for rate in (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
    for channels in (1, 2, 6)
    for kind, subtype in CONTAINERS
    # libsndfile cannot write these
    if not (subtype == "IMA_ADPCM" and channels > 2) and not (kind == "OGG" and rate > 48_000)
]


@pytest.mark.parametrize(("rate", "channels", "kind", "subtype"), FORMATS)
def test_every_audio_format_becomes_16_khz_mono(rate: int, channels: int, kind: str, subtype: str) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate)
    clip = read_audio(encoded(np.repeat(tone[:, None], channels, axis=1), rate, format=kind, subtype=subtype))
    assert clip.dtype == np.float32
    assert abs(clip.size - 4_000) <= (600 if subtype == "IMA_ADPCM" else 2)  # ADPCM is padded to whole blocks
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(clip.size)))
    assert np.argmax(spectrum) * 16_000 / clip.size == pytest.approx(440, abs=5)
    assert np.sqrt(np.mean(clip[1000:3000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.2 if kind == "OGG" else 0.05)


@pytest.mark.parametrize("samples", [1, 2, 3, 100])
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_a_very_short_clip_keeps_at_least_one_sample(samples: int, rate: int) -> None:
    assert read_audio(encoded(np.full(samples, 0.1), rate, format="WAV")).size >= 1


def test_float_files_beyond_full_scale_are_attenuated_not_clipped() -> None:
    tone = 3.0 * np.sin(np.arange(1600) * 0.2)
    clip = read_audio(encoded(tone, 16_000, format="WAV", subtype="FLOAT"))
    np.testing.assert_allclose(clip, tone / np.abs(tone).max(), atol=1e-4)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"RIFF and nothing else", "Format not recognised"),
        (encoded(np.zeros(0), 16_000, format="WAV"), "no samples"),
        (encoded(np.array([0.0, np.nan]), 16_000, format="WAV", subtype="FLOAT"), "NaN"),
    ],
    ids=["no audio", "empty", "NaN"],  # not the bytes, which hold the time of writing
)
def test_the_error_for_undecodable_audio_gives_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_audio(data)


def test_urbansound8k_is_read_with_recordings_and_folds(urbansound8k: Path) -> None:
    corpus = read_urbansound8k(urbansound8k)
    assert corpus.classes == URBANSOUND8K
    assert len(corpus.items) == 120
    assert corpus.problems == ()
    clip = next(clip for clip in corpus.items if clip.id == "1300-3-0-1")
    assert (clip.label, clip.group, clip.fold) == ("dog_bark", "1300", 3)
    assert recordings_across_folds(corpus.items) == {"1300": [1, 3]}
    assert "1300 (folds 1 and 3)" in corpus.notes[0]


def test_only_the_requested_folds_are_read(urbansound8k: Path) -> None:
    assert {clip.fold for clip in read_urbansound8k(urbansound8k, (2,)).items} == {2}
    with pytest.raises(UserError, match="lists no clip of fold 7"):
        read_urbansound8k(urbansound8k, (7,))


def test_missing_empty_and_unlisted_files_are_named(tmp_path: Path) -> None:
    root = write_urbansound8k(tmp_path / "UrbanSound8K", recordings=1)
    (root / "audio/fold1/1000-0-0-0.wav").unlink()
    (root / "audio/fold1/1100-1-0-0.wav").write_bytes(b"")
    (root / "audio/fold1/extra.wav").write_bytes(b"x")
    (root / "audio/fold1/.DS_Store").write_bytes(b"x")
    (root / "audio/fold1/._1000-0-0-0.wav").write_bytes(b"x")
    found = {(Path(p.path).name, p.what) for p in read_urbansound8k(tmp_path).problems}
    assert found == {
        ("1000-0-0-0.wav", "missing"),
        ("1100-1-0-0.wav", "empty"),
        ("extra.wav", "not in UrbanSound8K.csv"),
    }


def test_a_table_with_other_columns_is_a_user_error(tmp_path: Path) -> None:
    table = tmp_path / "UrbanSound8K.csv"
    table.write_text("file,label\na.wav,dog\n")
    with pytest.raises(UserError, match="columns are file, label; expected slice_file_name"):
        read_table(table)


def test_a_folder_without_urbansound8k_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    with pytest.raises(UserError, match=r"but music; looked for metadata/UrbanSound8K\.csv"):
        read_urbansound8k(tmp_path)


def test_esc50_is_recognised_by_its_layout(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "audio").mkdir()
    rows = [
        ("1-100-A-0.wav", 1, 0, "dog", "100"),
        ("2-200-B-5.wav", 2, 5, "cat", "200"),
        ("2-9-A-5.wav", 2, 5, "cat", "9"),
    ]
    with (tmp_path / "meta/esc50.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("filename", "fold", "target", "category", "esc10", "src_file", "take"))
        writer.writerows((name, fold, target, kind, True, source, "A") for name, fold, target, kind, source in rows)
    for name, *_ in rows[:2]:
        soundfile.write(tmp_path / "audio" / name, np.zeros(10), 44_100)
    corpus = read_any_audio(Options(sources=tmp_path, audio_root=tmp_path))
    assert corpus.credit.name == "ESC-50"
    assert [(clip.label, clip.group, clip.fold) for clip in corpus.items] == [("dog", "100", 1), ("cat", "200", 2)]
    assert [problem.what for problem in corpus.problems] == ["missing"]


def test_class_folders_are_read_in_order_and_unusable_files_named(tmp_path: Path) -> None:
    for path in ("dog/a.wav", "dog/a.flac", "dog/12-3-0-1.wav", "cat/b.wav"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / path, np.zeros(10), 16_000)
    (tmp_path / "dog/notes.txt").write_text("x")
    (tmp_path / "dog/empty.wav").write_bytes(b"")
    (tmp_path / "dog/.hidden").write_bytes(b"")
    corpus = read_audio_folder(tmp_path)
    assert corpus.classes == ("cat", "dog")
    assert [clip.id for clip in corpus.items] == ["cat/b", "dog/12-3-0-1", "dog/a.flac", "dog/a.wav"]
    assert corpus.items[1].group == "12"
    assert {p.what for p in corpus.problems} == {"not a known audio type", "empty"}


def test_image_folders_with_train_and_test_keep_their_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_image_folder(tmp_path / split, 2, ("cat", "dog"))
    corpus = read_image_folder(tmp_path)
    assert Counter(image.split for image in corpus.items) == {"train": 4, "test": 4}
    assert corpus.items[0].id == "train/cat/000"
    with pytest.raises(UserError, match="no class folders here"):
        read_image_folder(tmp_path / "train" / "cat")


@pytest.fixture
def cifar10(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Batch files in the official format, three images each."""
    import hashlib

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    md5 = {}
    for number, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        pixels = np.random.default_rng(number).integers(0, 256, (3, 3072)).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [number, 3, 9], "batch_label": name}))
        md5[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    return tmp_path, md5


def test_cifar10_is_read_from_its_official_batches(cifar10: tuple[Path, dict[str, str]]) -> None:
    root, md5 = cifar10
    corpus = read_cifar10(root, md5)
    assert corpus.classes == CIFAR10
    assert [p.id for p in corpus.items][::3] == ["train-00000", "train-00003", "test-00000"]
    image = corpus.items[3]
    assert (image.label, image.split) == ("automobile", "train")
    pixels = np.asarray(Image.open(io.BytesIO(image.media.read())))
    batch = pickle.loads((root / "cifar-10-batches-py" / "data_batch_2").read_bytes())
    assert np.array_equal(pixels, batch["data"][0].reshape(3, 32, 32).transpose(1, 2, 0))


def test_damaged_and_missing_batch_files_are_named(cifar10: tuple[Path, dict[str, str]]) -> None:
    root, md5 = cifar10
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        read_cifar10(root, {**md5, "data_batch_9": "0"})
    assert "test_batch: md5 is" in str(caught.value)
    assert "data_batch_9: missing" in str(caught.value)


def test_a_batch_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/ran",)

    import hashlib

    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": Evil()}))
    md5 = {"data_batch_1": hashlib.md5((tmp_path / "data_batch_1").read_bytes()).hexdigest()}
    with pytest.raises(UserError, match=r"loads posix\.system"):
        read_cifar10(tmp_path, md5)
    assert not (tmp_path / "ran").exists()


def test_a_hugging_face_data_set_on_disk_is_read(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
    from datasets import Image as ImageFeature

    features = Features({"img": ImageFeature(), "label": ClassLabel(names=["cat", "dog"]), "note": Value("string")})
    images = [Image.fromarray(np.full((8, 8, 3), shade, np.uint8)) for shade in (0, 120, 250)]
    rows = Dataset.from_dict({"img": images, "label": [1, 0, 1], "note": ["", "", ""]}, features=features)
    DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(tmp_path / "saved")
    corpus = read_images(Options(sources=tmp_path, images=f"hf:{tmp_path / 'saved'}", offline=True))
    assert [(p.label, p.split) for p in corpus.items] == [
        ("dog", "train"), ("cat", "train"), ("dog", "train"), ("dog", "test"),
    ]  # fmt: skip
    assert np.asarray(Image.open(io.BytesIO(corpus.items[1].media.read())))[0, 0, 0] == 120
    rows.remove_columns("label").save_to_disk(tmp_path / "plain")
    with pytest.raises(UserError, match="needs one Image and one ClassLabel column; it has"):
        read_images(Options(sources=tmp_path, images=f"hf:{tmp_path / 'plain'}", offline=True))


def test_the_error_for_an_unreachable_hub_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give its folder: --images hf:FOLDER"):
        read_images(Options(sources=tmp_path, images="hf:nobody/nothing-of-that-name", offline=True))


def test_an_unknown_kind_of_images_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write folder:PATH, cifar10:PATH or hf:NAME"):
        read_images(Options(sources=tmp_path, images="zip:x", offline=True))


def test_the_kaggle_layout_pairs_equal_stems_and_recovers_folds(tmp_path: Path, urbansound8k: Path) -> None:
    for label, stem in (
        ("dog_bark", "1300-3-0-0"),
        ("siren", "1800-8-0-0"),
        ("siren", "5-8-0-0"),
        ("drilling", "1301-3-0-0"),
    ):
        for modality in ("sound", "vision"):
            (tmp_path / f"Dataset_v3_{modality}" / label).mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "Dataset_v3_sound" / label / f"{stem}.wav", np.zeros(10), 16_000)
        Image.new("RGB", (4, 4)).save(tmp_path / "Dataset_v3_vision" / label / f"{stem}.jpg")
    Image.new("RGB", (4, 4)).save(tmp_path / "Dataset_v3_vision" / "siren" / "lonely.jpg")
    audio, images = read_kaggle(tmp_path, urbansound8k / "metadata" / "UrbanSound8K.csv")
    assert {clip.id: (clip.group, clip.fold) for clip in audio.items} == {
        "1300-3-0-0": ("1300", 1),
        "1800-8-0-0": ("1800", 1),
    }
    assert {Path(p.path).name: p.what for p in (*audio.problems, *images.problems)} == {
        "lonely.jpg": "no clip with this stem",
        "5-8-0-0.wav": "not in UrbanSound8K.csv",
        "1301-3-0-0.wav": "lies in drilling, but UrbanSound8K.csv says dog_bark",
    }
    unknown, _ = read_kaggle(tmp_path, None)
    assert {clip.group for clip in unknown.items} == {"1300", "1800", "5", "1301"}
    assert "Folds are unknown" in unknown.notes[0]


@pytest.mark.pilot
def test_the_official_table_has_the_published_counts(pilot: Path) -> None:
    rows = read_table(pilot / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv")
    assert len(rows) == 8732
    assert set(recordings_across_folds(rows)) == {"106905", "132016", "176638", "180937", "77751"}
    assert Counter(row.label for row in rows)["gun_shot"] == 374


@pytest.mark.pilot
def test_the_original_clips_are_readable(pilot: Path) -> None:
    clips = [read_audio(path.read_bytes()) for path in sorted((pilot / "us8k_original").glob("*.wav"))]
    assert len(clips) == 7
    assert all(6_000 < clip.size <= 64_000 for clip in clips)
