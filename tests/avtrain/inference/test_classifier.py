"""avtrain.load: the same answer as `avtrain predict`, for files, bytes, arrays and PIL images, alone and in batches."""

import io
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import avtrain
from avbuild.errors import UsageError, UserError
from avbuild.modalities.audio import quantise_audio, read_audio
from avtrain.inference.classifier import Classifier
from avtrain.inference.loaded_run import load_run
from avtrain.inference.media import read_media
from avtrain.inference.predictor import classify
from tests.avtrain.inference.test_predict_export import CPU, FINETUNE, PROMPT
from tests.avtrain.training.test_fit import fit

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
CLIP = quantise_audio(np.random.default_rng(1).uniform(-0.5, 0.5, 6400).astype(np.float32))[0]


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune and prompt after one epoch; do not change it."""
    out, manifest = tmp_path_factory.mktemp("runs"), small_data / "manifest.yaml"
    fit(manifest, out, "--epochs", 1)
    return fit(manifest, out, "--epochs", 1, "--method", "prompt", "--set", "method.heads=2", "--set", "lr=0.05")


@pytest.fixture(scope="module")
def classifier(runs: Path) -> Classifier:
    return avtrain.load(runs / FINETUNE / "seed0")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    soundfile.write(folder / "a.wav", CLIP, 16_000, subtype="PCM_16")
    Image.fromarray(IMAGE).save(folder / "b.png")
    return {"audio": folder / "a.wav", "image": folder / "b.png"}


def test_every_kind_of_input_gives_what_predict_gives(
    runs: Path, classifier: Classifier, files: dict[str, Path]
) -> None:
    expected = classify(load_run(runs / FINETUNE, CPU), read_media(files), None, CPU)
    audios = (files["audio"], str(files["audio"]), files["audio"].read_bytes(), CLIP, CLIP.astype(np.float64),
              (CLIP * 32_768).astype(np.int16), CLIP[:, None], torch.tensor(CLIP)[None])  # fmt: skip
    images = (files["image"], files["image"].read_bytes(), IMAGE, torch.tensor(IMAGE), Image.fromarray(IMAGE),
              Image.open(files["image"]), memoryview(files["image"].read_bytes()), IMAGE)  # fmt: skip
    for audio, image in zip(audios, images, strict=True):
        assert classifier(audio=audio, image=image) == expected
    assert expected.label == next(iter(expected.probabilities))
    assert set(expected.probabilities) == set(classifier.classes)
    assert sum(expected.probabilities.values()) == pytest.approx(1)
    with pytest.raises(FrozenInstanceError):
        expected.inference = "x"  # type: ignore[misc]


def test_missing_modalities(classifier: Classifier) -> None:
    assert classifier(image=IMAGE, audio=None).missing == ("audio",)
    assert classifier(audio=CLIP).missing == ("image",)
    assert classifier(audio=CLIP, image=IMAGE).missing == ()


def test_a_batch_gives_what_single_calls_give(classifier: Classifier) -> None:
    samples: list[dict[str, Any]] = [{"audio": CLIP[k:], "image": IMAGE[: 8 + k % 9]} for k in range(70)]
    samples[1], samples[2] = {"image": IMAGE}, {"audio": CLIP, "image": None}
    outputs = classifier.batch(samples)
    assert len(outputs) == 70
    for index in (0, 1, 2, 31, 32, 69):
        alone = classifier(**samples[index])
        assert outputs[index].missing == alone.missing
        for name, value in alone.probabilities.items():
            assert outputs[index].probabilities[name] == pytest.approx(value, rel=1e-4)
    assert classifier.batch([]) == []


def test_arrays_of_another_rate_are_resampled_as_files_are(classifier: Classifier, tmp_path: Path) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)).astype(np.float32)
    sink = io.BytesIO()
    soundfile.write(sink, tone, 44_100, format="WAV", subtype="FLOAT")
    assert classifier(audio=tone, rate=44_100) == classifier(audio=sink.getvalue())
    assert classifier(audio=tone, rate=44_100) != classifier(audio=tone)
    loud = tone * 4  # decoding and resampling overshoot; attenuated as in a file
    loud_file = io.BytesIO()
    soundfile.write(loud_file, loud, 44_100, format="WAV", subtype="FLOAT")
    assert np.abs(read_audio(loud_file.getvalue())).max() <= 1
    assert classifier(audio=loud, rate=44_100) == classifier(audio=loud_file.getvalue())


def test_a_pil_image_is_read_as_its_file_would_be(classifier: Classifier) -> None:
    for mode in ("L", "RGBA", "P"):
        image, sink = Image.fromarray(IMAGE).convert(mode), io.BytesIO()
        image.save(sink, "PNG")
        assert classifier(image=image) == classifier(image=sink.getvalue())


def test_a_method_with_prompts_asks_its_router_or_assumes_a_scenario(runs: Path) -> None:
    routed = avtrain.load(runs / PROMPT)(image=IMAGE)
    assert routed.inference == "router"
    assert set(routed.choice or {}) == {"C", "A", "V", "D"}
    clean, noisy = (avtrain.load(str(runs / PROMPT), scenario=name)(image=IMAGE) for name in ("C", "D"))
    assert (clean.scenario, noisy.scenario) == ("C", "D")
    assert clean.probabilities != noisy.probabilities


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ({}, r"nothing to classify: give audio=... or image=..."),
        ({"audio": None}, "nothing to classify"),
        ({"video": IMAGE}, "video: .* was trained on audio, image"),
        ({"imagee": IMAGE}, 'imagee: .* did you mean "image"'),
        ({"audio": "none.wav"}, "audio: none.wav: no such file"),
        ({"audio": "."}, r"audio: \.: no such file"),
        ({"audio": b"no sound"}, "audio: 8 bytes: cannot be read"),
        ({"image": b"no picture"}, "image: 10 bytes: cannot be read: not a readable picture"),
        ({"image": ""}, "an empty path"),
        ({"image": IMAGE.transpose(2, 0, 1)}, "has its channels before"),
        ({"image": IMAGE / 255}, "image: dtype float64"),
        ({"image": IMAGE[..., 0]}, "is a grey image"),
        ({"image": [1, 2]}, "image: a list; give a NumPy array"),
        ({"image": Image.new("I", (4, 4))}, "image: cannot be read: 32-bit whole numbers"),
        ({"audio": np.stack([CLIP, CLIP])}, "2 channels"),
        ({"audio": CLIP * 32_768}, "where full scale is 1.0"),
        ({"audio": CLIP * np.nan}, "NaN"),
        ({"audio": CLIP[:0]}, "holds no samples"),
        ({"audio": CLIP, "rate": None}, "rate: missing"),
        ({"audio": CLIP, "rate": 0}, "rate: 0 is outside"),
        ({"audio": 3.0}, "audio: a float; give a NumPy array"),
    ],
)
def test_what_cannot_be_classified_is_explained(classifier: Classifier, media: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        classifier(**media)


def test_the_wrong_sample_of_a_batch_is_named(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="sample 1: image: dtype float64"):
        classifier.batch([{"image": IMAGE}, {"image": IMAGE / 255}])
    for samples in ({"image": IMAGE}, [IMAGE], "dog.jpg"):
        with pytest.raises(UsageError, match="samples: give a list of dictionaries"):
            classifier.batch(samples)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"run": 3}, "run: 3; give the folder of a run"),
        ({"run": "/nowhere"}, "/nowhere: no run here"),
        ({"run": "."}, "holds 2 runs; name one of them"),
        ({"run": FINETUNE, "scenario": "D"}, "finetune does not use the scenario"),
        ({"run": PROMPT, "scenario": "X"}, 'no scenario "X"'),
        ({"run": FINETUNE, "device": "tpu"}, "allowed are auto, cpu, cuda"),
    ],
)
def test_what_cannot_be_loaded_is_explained(
    runs: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], expected: str
) -> None:
    monkeypatch.chdir(runs)
    with pytest.raises(UserError, match=expected):
        avtrain.load(**arguments)
