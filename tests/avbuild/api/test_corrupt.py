"""avbuild.corrupt: what a data set would hold, in the kind that was given; and an error for everything else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import avbuild
from avbuild.corruptions import CORRUPTIONS
from avbuild.modalities.registry import MODALITIES
from tests.support.commands import rows

CLIP = np.round(np.sin(np.arange(8000) / 9) * 9000).astype(np.float32) / np.float32(32_768)
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
VIDEO = np.random.default_rng(1).integers(0, 256, (3, 40, 48, 3), dtype=np.uint8)


def noisy(signal: Any, name: str = "gaussian_noise", **more: Any) -> Any:
    return avbuild.corrupt(signal, name, **({"id": "a", "severity": 3} | more))[0]


def test_it_gives_what_the_data_set_holds(small_data: Path) -> None:
    clean = {row["id"]: row for row in rows(small_data, "C")}
    compared = 0
    for stored in rows(small_data, "D"):
        record = json.loads(stored["corruption"])
        for modality, rate in (("audio", 16_000), ("image", None)):
            decode = MODALITIES[modality].decode
            (step,) = record[modality]
            signal, said = avbuild.corrupt(
                decode([clean[stored["id"]][modality]["bytes"]]),
                step["op"], id=stored["id"], severity=step["severity"], seed=record["seed"], scenario="D", rate=rate,
            )  # fmt: skip
            np.testing.assert_array_equal(signal, decode([stored[modality]["bytes"]]))
            assert said == {"scenario": "D", "seed": record["seed"], modality: [step]}
            compared += 1
    assert compared > 20


@pytest.mark.parametrize(
    ("make", "rate"),
    [
        (lambda: CLIP, 16_000),
        (lambda: CLIP.astype(np.float64), 16_000),
        (lambda: (CLIP * 32_768).astype(np.int16), 16_000.0),
        (lambda: CLIP[None], 16_000),
        (lambda: CLIP[:, None], 16_000),
        (lambda: torch.tensor(CLIP), 16_000),
        (torch.tensor(CLIP)[None].double, np.int64(16_000)),
        (lambda: IMAGE, None),
        (lambda: np.asfortranarray(IMAGE), None),
        (lambda: torch.tensor(IMAGE), None),
        (lambda: VIDEO, None),
        (lambda: torch.tensor(VIDEO), None),
    ],
)
def test_the_kind_of_array_does_not_matter_and_comes_back(make: Callable[[], Any], rate: Any) -> None:
    signal = make()
    before = np.asarray(signal).copy()
    result = noisy(signal, rate=rate)
    assert type(result) is type(signal)
    assert (result.dtype, result.shape) == (signal.dtype, signal.shape)
    np.testing.assert_array_equal(np.asarray(signal), before)  # what was given stays as it is
    plain = {1: CLIP, 3: IMAGE, 4: VIDEO}[1 if rate else result.ndim]
    expected = noisy(plain, rate=16_000 if rate else None)
    scale = 32_768 if np.asarray(result).dtype == np.int16 else 1
    np.testing.assert_array_equal(np.asarray(result).reshape(expected.shape), expected * scale)
    assert not np.array_equal(expected, plain)


def test_pil_images_and_lists_of_frames_come_back_as_such() -> None:
    image = noisy(Image.fromarray(IMAGE))
    assert isinstance(image, Image.Image)
    np.testing.assert_array_equal(np.array(image), noisy(IMAGE))
    frames = noisy([Image.fromarray(frame) for frame in VIDEO])
    assert isinstance(frames, list)
    assert {type(frame) for frame in frames} == {Image.Image}
    np.testing.assert_array_equal(np.stack([np.array(frame) for frame in frames]), noisy(VIDEO))
    assert isinstance(noisy(tuple(VIDEO)), tuple)


@given(seed=st.integers(-5, 5), sample=st.text(min_size=1), severity=st.integers(1, 5))
def test_equal_arguments_give_equal_bits_and_others_do_not(seed: int, sample: str, severity: int) -> None:
    def draw(**other: Any) -> Any:
        return noisy(IMAGE, **({"id": sample, "seed": seed, "severity": severity} | other))

    np.testing.assert_array_equal(draw(), draw())
    for other in ({"id": sample + "b"}, {"seed": seed + 1}, {"scenario": "D"}):
        assert not np.array_equal(draw(), draw(**other))


@pytest.mark.parametrize("modality", ["audio", "image"])
def test_every_corruption_of_a_signal_can_be_asked_for(modality: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "rain.wav", CLIP[::-1], 16_000)
    signal, rate = (CLIP, 16_000) if modality == "audio" else (IMAGE, None)
    for name, corruption in CORRUPTIONS[modality].items():
        if corruption.domain == "feature":
            with pytest.raises(avbuild.UsageError, match="acts on what a front end of avtrain makes"):
                noisy(signal, name, rate=rate)
            continue
        clips = tmp_path if corruption.needs_clips else None
        result, record = avbuild.corrupt(signal, name, severity=2, id="a", rate=rate, clips=clips)
        assert (result.shape, result.dtype) == (signal.shape, signal.dtype)
        assert record[modality][0]["op"] == name
        assert json.loads(json.dumps(record)) == record
        level = dict(zip(corruption.parameters, corruption.level(2, signal), strict=True))
        again, _ = avbuild.corrupt(signal, name, level=level, id="a", rate=rate, clips=clips)
        np.testing.assert_array_equal(again, result)


def test_a_level_of_one_parameter_may_be_a_number() -> None:
    np.testing.assert_array_equal(noisy(CLIP, severity=None, level=10, rate=16_000), noisy(CLIP, rate=16_000))


def test_an_unchanged_signal_is_a_copy_and_the_record_says_so() -> None:
    silent = np.zeros(100, np.float32)
    result, record = avbuild.corrupt(silent, "gaussian_noise", severity=3, id="a", rate=16_000)
    assert record["audio"][0]["unchanged"] is True
    result[0] = 1
    assert silent[0] == 0


AUDIO_ERRORS = [
    (np.stack([CLIP, CLIP]), {}, r"audio: shape \[2, 8000\], so 2 channels; .*audio.mean\(0\)"),
    (np.stack([CLIP, CLIP], axis=1), {}, r"2 channels; .*audio.mean\(1\)"),
    (torch.zeros(2, 100), {}, r"2 channels"),
    (CLIP, {"rate": None}, "rate: missing; give the sample rate"),
    (CLIP, {"rate": 44_100}, r"rate: 44,100 Hz, but corruptions are defined at 16,000 Hz; resample"),
    (CLIP, {"rate": "16k"}, "rate: '16k'; give the sample rate of the audio in Hz, a whole number"),
    (CLIP, {"rate": 16_000.5}, "rate: 16000.5; give"),
    (CLIP, {"rate": 16}, "rate: 16 is outside 4,000 to"),
    (CLIP, {"rate": True}, "rate: True is outside"),
    (CLIP * 32_768, {}, "audio: its peak is 9,000, where full scale is 1.0; divide"),
    (np.array([0.0, np.nan], np.float32), {}, "audio: holds NaN or infinite"),
    (np.array([0.0, -np.inf], np.float32), {}, "audio: holds NaN or infinite"),
    (np.zeros(0, np.float32), {}, r"audio: shape \[0\] holds no samples"),
    (np.zeros((2, 0), np.float32), {}, "holds no samples"),
    (np.zeros(9, np.int32), {}, "audio: dtype int32; allowed are float32 and float64"),
    (np.zeros(9, np.uint8), {}, "audio: dtype uint8"),
    (np.zeros(9, np.float16), {}, "audio: dtype float16"),
    (np.zeros(9, ">f4"), {}, "audio: dtype >f4"),
    (np.zeros(9, complex), {}, "audio: dtype complex128"),
    (np.zeros(9, bool), {}, "audio: dtype bool"),
    (torch.zeros(9, dtype=torch.bfloat16), {}, "bfloat16 tensor"),
    (np.zeros((20, 100), np.float32), {}, r"audio: shape \[20, 100\]; give one clip"),
]
IMAGE_ERRORS = [
    (
        IMAGE.transpose(2, 0, 1),
        {},
        r"image: shape \[3, 40, 48\] has its channels before .*np.transpose\(image, \(1, 2, 0\)\)",
    ),
    (torch.tensor(IMAGE).permute(2, 0, 1), {}, r"image.permute\(1, 2, 0\) of a tensor"),
    (VIDEO.transpose(0, 3, 1, 2), {}, r"video: shape \[3, 3, 40, 48\] has its channels before .*\(0, 2, 3, 1\)"),
    (IMAGE[..., 0], {}, r"image: shape \[40, 48\] is a grey image"),
    (IMAGE[..., :1], {}, r"image: shape \[40, 48, 1\] is a grey image"),
    (IMAGE[None, ..., 0], {}, r"image: shape \[1, 40, 48\] is a grey image"),
    (Image.fromarray(IMAGE).convert("L"), {}, "a PIL image in mode L, a grey image; give RGB, such as image.convert"),
    (Image.fromarray(IMAGE).convert("RGBA"), {}, "a PIL image in mode RGBA; give RGB"),
    (np.dstack([IMAGE, IMAGE[..., :1]]), {}, "so a channel of transparency; give"),
    (IMAGE / 255, {}, r"image: dtype float64; give uint8 from 0 to 255, such as \(255 \* image\)"),
    (torch.tensor(IMAGE) / 255, {}, "image: dtype float32; give uint8"),
    (IMAGE.astype(np.int64), {}, "image: dtype int64; give uint8 from 0 to 255$"),
    (np.zeros((0, 4, 3), np.uint8), {}, "holds no pixels"),
    (IMAGE, {"rate": 16_000}, "rate: is for audio, and this is an image; leave it out"),
    (VIDEO, {"rate": 16_000}, "and this is a video"),
    (VIDEO[None], {}, r"signal: shape \[1, 3, 40, 48, 3\]; give audio"),
    (
        [Image.fromarray(IMAGE), Image.fromarray(IMAGE[:20])],
        {},
        "video: frames of different sizes, 20 x 48 and 40 x 48",
    ),
    ([Image.fromarray(IMAGE).convert("L")], {}, "mode L"),
    (np.array(3.0), {}, r"signal: shape \[\]; give audio"),
    (np.float32(3), {}, "a float32; give a NumPy array"),
]
ARGUMENT_ERRORS = [
    (IMAGE, {"severity": 0}, "severity: 0 is outside 1 to 5"),
    (IMAGE, {"severity": 6}, "severity: 6 is outside 1 to 5"),
    (IMAGE, {"severity": 2.0}, "severity: 2.0; give a whole number"),
    (IMAGE, {"severity": True}, "severity: True; give a whole number"),
    (IMAGE, {"severity": "3"}, "severity: '3'; give a whole number"),
    (IMAGE, {"severity": None}, "severity, level: neither is given"),
    (IMAGE, {"level": 0.1}, "severity, level: both are given"),
    (IMAGE, {"severity": None, "level": {}}, "has no value for any parameter"),
    (IMAGE, {"severity": None, "level": "strong"}, "give a number"),
    (IMAGE, {"severity": None, "level": {"snr_db": 3}}, "gaussian_noise takes std, not snr_db"),
    (IMAGE, {"severity": None, "level": 1e9}, "std: 1e[+]09 is outside"),
    (IMAGE, {"severity": None, "level": float("nan")}, "std: nan is outside"),
    (IMAGE, {"id": ""}, "id: ''; give a text that is not empty"),
    (IMAGE, {"id": 7}, "id: 7; give a text"),
    (IMAGE, {"seed": 1.5}, "seed: 1.5; give a whole number"),
    (IMAGE, {"scenario": None}, "scenario: None; give a text"),
    (IMAGE, {"name": "gausian_noise"}, 'no corruption "gausian_noise"; did you mean "gaussian_noise"'),
    (IMAGE, {"name": "time_shift"}, 'no corruption "time_shift", it acts on audio'),
    (CLIP, {"name": "box_blur", "rate": 16_000}, 'no corruption "box_blur", it acts on image'),
    (IMAGE, {"name": "missing"}, 'no corruption "missing"'),
    (IMAGE, {"name": None}, "name: None; give a text"),
    (CLIP, {"name": "ambient_noise", "rate": 16_000}, "ambient_noise needs a folder of recordings"),
    (CLIP, {"name": "gaussian_noise", "rate": 16_000, "clips": "x"}, "gaussian_noise takes no clips"),
    ("dog.jpg", {}, 'no corruption "gaussian_noise", it acts on audio'),  # a str is a text, not a path
    (b"RIFF", {}, "a bytes is no signal; give a NumPy array"),
    (None, {}, "None is no signal"),
    ([0.1, 0.2], {}, "a list is no signal"),
    ([], {}, "a list is no signal"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("signal", "more", "expected"),
    [(signal, {"rate": 16_000} | more, expected) for signal, more, expected in AUDIO_ERRORS]
    + IMAGE_ERRORS + ARGUMENT_ERRORS,
)  # fmt: skip
def test_what_cannot_be_corrupted_is_explained(signal: Any, more: dict[str, Any], expected: str) -> None:
    arguments = {"name": "gaussian_noise", "id": "a", "severity": 3} | more
    with pytest.raises(avbuild.UsageError, match=expected):
        avbuild.corrupt(signal, **arguments)


def test_a_folder_without_recordings_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(avbuild.UserError, match="no noise clips"):
        noisy(CLIP, "ambient_noise", rate=16_000, clips=tmp_path)
