"""What each corruption promises, for any signal."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from avbuild.corruptions import CORRUPTIONS, Corruption
from avbuild.corruptions.audio import gaussian_noise, time_mask, time_shift
from avbuild.corruptions.registry import SEVERITIES
from avbuild.seeding import rng_for

ALL = [corruption for kinds in CORRUPTIONS.values() for corruption in kinds.values()]
PICTURE_OPS = [corruption for corruption in ALL if corruption.modality == "image"]


def rng(sample: str = "a") -> np.random.Generator:
    return rng_for(seed=0, scenario="A", sample=sample, modality="audio", op=0)


def clips() -> st.SearchStrategy[NDArray[np.float32]]:
    numbers = st.floats(-1, 1, width=32).map(lambda x: x if abs(x) > 1e-3 else 0.0)
    return arrays.arrays(np.float32, st.integers(1, 400), elements=numbers)


def pictures() -> st.SearchStrategy[NDArray[np.uint8]]:
    return arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))


def example(corruption: Corruption) -> NDArray[np.generic]:
    """A fixed clip or picture, made by integer arithmetic alone."""
    if corruption.modality == "audio":
        return ((np.arange(16_000) * 7919 % 20_011 - 10_005) / 32_768).astype(np.float32)
    return (np.arange(96 * 80 * 3) * 7919 % 251).astype(np.uint8).reshape(96, 80, 3)


@given(clip=clips(), severity=st.sampled_from(SEVERITIES), sample=st.text(min_size=1))
def test_gaussian_noise_has_the_ratio_it_promises(clip: NDArray[np.float32], severity: int, sample: str) -> None:
    promised = CORRUPTIONS["audio"]["gaussian_noise"].severities[severity - 1]
    noisy = gaussian_noise(clip, promised, rng(sample))
    signal = np.mean(clip.astype(np.float64) ** 2)
    noise = np.mean((noisy.astype(np.float64) - clip) ** 2)
    if signal == 0:
        assert np.array_equal(noisy, clip)
    else:
        assert 10 * np.log10(signal / noise) == pytest.approx(promised, abs=0.1)


@given(clip=clips(), most=st.floats(0, 0.5))
def test_time_shift_only_rotates_and_never_further_than_promised(clip: NDArray[np.float32], most: float) -> None:
    marked = np.arange(clip.size, dtype=np.float32)
    shifted = time_shift(marked, most, rng())
    steps = int(np.flatnonzero(shifted == 0)[0]) if clip.size > 1 else 0
    assert np.array_equal(np.roll(marked, steps), shifted)
    assert min(steps, clip.size - steps) <= round(most * clip.size)


@given(clip=clips(), fraction=st.floats(0, 1))
def test_time_mask_silences_one_stretch_of_the_promised_length(clip: NDArray[np.float32], fraction: float) -> None:
    masked = time_mask(np.ones_like(clip), fraction, rng())
    silent = np.flatnonzero(masked == 0)
    assert silent.size == round(fraction * clip.size)
    assert silent.size == 0 or silent[-1] - silent[0] + 1 == silent.size


@pytest.mark.parametrize("corruption", ALL, ids=lambda c: f"{c.modality}-{c.name}")
class TestEveryCorruption:
    def test_keeps_shape_and_type_and_does_not_touch_its_input(self, corruption: Corruption) -> None:
        for shape in ((1, 1, 3), (17, 9, 3), (96, 80, 3)) if corruption.modality == "image" else ((1,), (16_000,)):
            signal = np.resize(example(corruption), shape)
            before = signal.copy()
            for severity in SEVERITIES:
                result = corruption.apply(signal, corruption.level(severity, signal), rng())
                assert (result.shape, result.dtype) == (signal.shape, signal.dtype)
                assert np.isfinite(result).all()
                assert np.array_equal(signal, before)

    def test_is_a_pure_function_of_its_generator(self, corruption: Corruption) -> None:
        signal = example(corruption)
        level = corruption.level(3, signal)
        np.random.seed(1)  # global state must not matter
        first = corruption.apply(signal, level, rng())
        np.random.seed(2)
        assert np.array_equal(first, corruption.apply(signal, level, rng()))


@pytest.mark.parametrize(
    "corruption", [c for c in ALL if c.name != "time_shift"], ids=lambda c: f"{c.modality}-{c.name}"
)
def test_a_higher_severity_is_further_from_the_original(corruption: Corruption) -> None:
    signal = example(corruption) if corruption.modality == "audio" else smooth_picture()
    levels = [corruption.level(severity, signal) for severity in SEVERITIES]
    distance = [np.abs(corruption.apply(signal, x, rng()) - signal.astype(float)).mean() for x in levels]
    assert distance == sorted(distance)
    assert distance[0] > 0


def smooth_picture() -> NDArray[np.uint8]:
    y, x = np.mgrid[:96, :80]
    return np.stack([(128 + 100 * np.sin(x / k) * np.cos(y / k)).astype(np.uint8) for k in (4, 6, 9)], axis=-1)


@pytest.mark.parametrize("corruption", PICTURE_OPS, ids=lambda c: c.name)
def test_small_pictures_have_milder_levels(corruption: Corruption) -> None:
    small, large = np.zeros((32, 32, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    assert [corruption.level(s, small) for s in SEVERITIES] == list(corruption.small_severities)
    assert [corruption.level(s, large) for s in SEVERITIES] == list(corruption.severities)


# A changed hash means changed bytes: raise the op's version, then write the new hash here.
GOLDEN = {
    ("audio", "gaussian_noise", 1): ("490dbc99d579", "8b9a38064094", "dc2f9d678501", "803a266a24c1", "ad00c951a1ad"),
    ("audio", "time_shift", 1): ("e8ecacfb5173", "ecbb85313f31", "fe1710b8e6c9", "60c77b08da1b", "621ad43890c2"),
    ("audio", "time_mask", 1): ("ca86c61e4b82", "8b3d47b6e762", "a137c4a8b883", "0b4d18acf322", "3ef31c38e83a"),
    ("image", "gaussian_noise", 1): ("291812c460bb", "5442419371ea", "37dbf1cea052", "f5e87181f68d", "f5a6c7dc9502"),
    ("image", "gaussian_blur", 1): ("ec91661c6d5b", "676c9e4a5350", "aa2a629082ff", "53ff30cba4aa", "56b8a36f994a"),
    ("image", "box_blur", 1): ("78902b972af4", "ad94a45bf605", "657ecf21132d", "e4a588383aa6", "663bb6b6b983"),
    ("image", "pixelate", 1): ("f9d01795f54c", "7552c945b729", "1f09de7045c2", "2624a1bde00b", "4e98414cdb39"),
}  # fmt: skip


@pytest.mark.parametrize("corruption", ALL, ids=lambda c: f"{c.modality}-{c.name}")
@pytest.mark.parametrize("severity", SEVERITIES)
def test_output_is_what_it_always_was(corruption: Corruption, severity: int) -> None:
    signal = example(corruption)
    result = corruption.apply(signal, corruption.level(severity, signal), rng())
    if corruption.modality == "audio":  # as stored: 16 bits
        result = np.rint(result * 32_768).astype(np.int32)
    found = hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest()[:12]
    assert GOLDEN[corruption.modality, corruption.name, corruption.version][severity - 1] == found
