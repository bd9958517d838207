"""Compare corruptions with reference implementations of their formulas."""

import colorsys
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from avbuild.corruptions.audio import channel, level, room, timing
from avbuild.corruptions.audio.noise import coloured
from avbuild.corruptions.draws import bits16, normals, quantiles
from avbuild.corruptions.image import blur, colour, digital, noise, weather
from avbuild.corruptions.image.sampling import disc_mean, sample_between, shifted_sum, smooth_field, softened


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_image(height: int = 61, width: int = 47) -> NDArray[np.uint8]:
    return rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tone(frequency: float, seconds: float = 2.0) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(int(16_000 * seconds)) / 16_000)).astype(np.float32)


def loudest_frequency(clip: NDArray[np.float32]) -> float:
    middle = clip[len(clip) // 4 : 3 * len(clip) // 4] * np.hanning(3 * len(clip) // 4 - len(clip) // 4)
    return float(np.abs(np.fft.rfft(middle, 1 << 18)).argmax() * 16_000 / (1 << 18))


# random numbers


def test_normals_have_the_moments_of_a_normal_distribution() -> None:
    drawn = normals((400_000,), rng()).astype(np.float64)
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.01)
    assert (drawn**4).mean() == pytest.approx(3, abs=0.05)
    assert quantiles().var() == pytest.approx(1)
    for edge, outside in ((1.0, 0.3173), (2.0, 0.0455), (3.0, 0.0027)):
        assert (np.abs(drawn) > edge).mean() == pytest.approx(outside, rel=0.1)


def test_bits16_is_uniform_and_depends_on_the_generator_alone() -> None:
    drawn = bits16((7, 3_001), rng(3))
    assert drawn.shape == (7, 3_001)
    assert np.array_equal(drawn, bits16((7, 3_001), rng(3)))
    assert drawn.mean() == pytest.approx(32_767.5, rel=0.02)


# image corruptions


@pytest.mark.parametrize("radius", [2.0, 3.0, 4.5, 6.0, 8.0, 10.0, 30.0])
def test_disc_mean_is_the_mean_of_the_pixels_in_the_disc(radius: float) -> None:
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y <= radius * radius).astype(np.float64)
    wide = np.pad(random_image(), ((reach, reach), (reach, reach), (0, 0)), mode="symmetric").astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(wide, disc.shape, axis=(0, 1))
    expected = np.einsum("hwcij,ij->hwc", windows, disc / disc.sum())
    assert np.abs(disc_mean(random_image().astype(np.uint16), radius) - expected).max() <= 0.51


def test_white_stays_white_under_every_blur() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    for result in (
        softened(white, 0.5),
        disc_mean(white.astype(np.uint16), 10.0),
        blur.motion_blur(white, 15.0, 8.0, rng()),
        blur.zoom_blur(white, 1.2, 0.02, rng()),
        blur.defocus_blur(white, 1.5, 0.1, rng()),
    ):
        assert result.min() == result.max() == 255


def test_shifted_sum_is_a_convolution() -> None:
    offsets = np.array([[0, 0], [1, 2], [-3, 1], [2, -2]])
    weights = np.array([0.4, 0.3, 0.2, 0.1])
    wide = np.pad(random_image(), ((3, 3), (3, 3), (0, 0)), mode="edge").astype(np.float64)
    expected = sum(w * wide[3 + r : 64 + r, 3 + c : 50 + c] for (r, c), w in zip(offsets, weights, strict=True))
    assert np.abs(shifted_sum(random_image(), offsets, weights) / 65_536 - expected).max() < 0.01


def test_sample_between_is_bilinear() -> None:
    y, x = np.mgrid[:61, :47] + rng().uniform(-3, 3, (2, 61, 47))
    y, x = (np.rint(32 * v) / 32 for v in (y, x))
    wide = np.pad(random_image(), ((8, 8), (8, 8), (0, 0)), mode="symmetric").astype(np.float64)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = (y - top)[..., None], (x - left)[..., None]
    corners = [wide[top + 8 + i, left + 8 + j] for i in (0, 1) for j in (0, 1)]
    upper, lower = (a * (1 - right) + b * right for a, b in (corners[:2], corners[2:]))
    expected = upper * (1 - down) + lower * down
    assert np.abs(sample_between(random_image(), y, x) - expected).max() <= 0.51


@pytest.mark.parametrize("sigma", [2.44, 6.4, 19.5])
def test_smooth_field_is_blurred_white_noise(sigma: float) -> None:
    from scipy.ndimage import gaussian_filter

    drawn = np.stack([smooth_field((64, 64), sigma, rng(seed)) for seed in range(150)])
    blurred = np.stack([gaussian_filter(rng(seed).standard_normal((64, 64)), sigma) for seed in range(150)])
    assert drawn.std() == pytest.approx(blurred.std(), rel=0.1)
    steps = [np.diff(field, axis=1).std() for field in (drawn, blurred)]
    assert steps[0] == pytest.approx(steps[1], rel=0.1)


@pytest.mark.parametrize("value", [0, 40, 128, 255])
@pytest.mark.parametrize("photons", [3.0, 60.0, 500.0])
def test_shot_noise_has_poisson_mean_and_variance(value: int, photons: float) -> None:
    grey = np.full((300, 300, 3), value, np.uint8)
    counts = noise.shot_noise(grey, photons, rng()).astype(np.float64) * photons / 255
    rate = photons * value / 255
    if rate + 4 * np.sqrt(rate) < photons:  # else clipping at white changes the moments
        assert counts.mean() == pytest.approx(rate, abs=0.05 + 0.01 * rate)
        assert counts.var() == pytest.approx(rate, abs=0.08 + 0.06 * rate)
    assert noise.shot_noise(np.zeros_like(grey), photons, rng()).max() == 0


def test_gaussian_speckle_and_impulse_noise_have_the_stated_strength() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    assert noise.gaussian_noise(grey, 0.1, rng()).std() == pytest.approx(25.5, rel=0.02)
    assert noise.speckle_noise(grey, 0.2, rng()).std() == pytest.approx(25.6, rel=0.02)
    salted = noise.impulse_noise(grey, 0.1, rng())
    assert (salted == 255).mean() == pytest.approx(0.05, rel=0.1)
    assert (salted == 0).mean() == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("more", [0.1, 0.3, 0.5])
def test_brightness_adds_to_the_value_of_hsv(more: float) -> None:
    small = random_image(9, 11)
    bright = colour.brightness(small, more, rng())
    for before, after in zip(small.reshape(-1, 3) / 255, bright.reshape(-1, 3) / 255, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        np.testing.assert_allclose(after, colorsys.hsv_to_rgb(hue, saturation, min(1, value + more)), atol=0.003)


@pytest.mark.parametrize(("factor", "more"), [(0.3, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)])
def test_saturate_scales_the_saturation_of_hsv(factor: float, more: float) -> None:
    small = random_image(9, 11)
    small[0, 0] = 77  # grey has no hue; HSV calls it red
    changed = colour.saturate(small, factor, more, rng())
    for before, after in zip(small.reshape(-1, 3) / 255, changed.reshape(-1, 3) / 255, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        expected = colorsys.hsv_to_rgb(hue, min(1, saturation * factor + more), value)
        np.testing.assert_allclose(after, expected, atol=0.003)


def test_contrast_scales_the_distance_to_each_channels_mean() -> None:
    flat = colour.contrast(random_image(), 0.2, rng()).astype(np.float64)
    clean = random_image().astype(np.float64)
    means = clean.mean(axis=(0, 1))
    assert np.abs(flat - ((clean - means) * 0.2 + means)).max() <= 0.51


def test_plasma_fills_its_range_and_wraps_around() -> None:
    cloud = weather.plasma(100, 2.0, rng())
    assert cloud.shape == (128, 128)
    assert (cloud.min(), cloud.max()) == (0, 1)
    assert np.abs(cloud[:, 0] - cloud[:, -1]).mean() < 3 * np.abs(np.diff(cloud, axis=1)).mean()


def test_occlusion_hides_the_stated_share() -> None:
    for seed in range(20):
        hidden = digital.occlusion(np.full((80, 120, 3), 7, np.uint8), 0.3, rng(seed))
        assert (hidden[..., 0] == 128).mean() == pytest.approx(0.3, abs=0.02)


# audio corruptions


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_coloured_noise_has_the_stated_slope(exponent: float) -> None:
    power = np.abs(np.fft.rfft(coloured(160_000, exponent, rng()))) ** 2
    octave = [power[low * 10 : low * 20].mean() for low in (200, 800, 3200)]  # bins of 0.1 Hz
    for louder, softer in itertools.pairwise(octave):
        assert 10 * np.log10(louder / softer) == pytest.approx(6.02 * exponent, abs=0.7)


@pytest.mark.parametrize("cutoff", [500.0, 2000.0, 4000.0])
def test_low_pass_attenuates_3_db_at_its_cutoff_without_delay(cutoff: float) -> None:
    def loss(frequency: float) -> float:
        clip = tone(frequency)
        passed = channel.low_pass(clip, cutoff, rng())
        return float(10 * np.log10(np.mean(clip[4000:-4000] ** 2) / np.mean(passed[4000:-4000].astype(float) ** 2)))

    assert loss(cutoff) == pytest.approx(3.0, abs=0.1)
    assert loss(cutoff / 4) < 0.01
    assert loss(min(7500, 1.8 * cutoff)) > 15
    low = tone(cutoff / 10)
    assert np.abs(channel.low_pass(low, cutoff, rng()) - low)[4000:-4000].max() < 0.003


def test_telephone_band_passes_only_its_band() -> None:
    for frequency, passes in ((100, False), (1000, True), (6000, False)):
        left = channel.telephone_band(tone(frequency), 300.0, 3400.0, rng())[4000:-4000].std() / tone(frequency).std()
        assert left > 0.97 if passes else left < 0.15


@pytest.mark.parametrize("semitones", [1.0, 4.0, 12.0])
def test_pitch_shifts_a_tone_and_keeps_its_length(semitones: float) -> None:
    ratios = set()
    for seed in range(6):
        moved = timing.pitch(tone(800), semitones, rng(seed))
        assert moved.shape == tone(800).shape
        ratios.add(round(12 * np.log2(loudest_frequency(moved) / 800), 1))
        assert moved[4000:-4000].std() == pytest.approx(tone(800).std(), rel=0.15)
    assert ratios == {semitones, -semitones}


@pytest.mark.parametrize("factor", [1.1, 1.5])
def test_speed_changes_pitch_and_length_together(factor: float) -> None:
    found = set()
    for seed in range(6):
        played = timing.speed(tone(800), factor, rng(seed))
        heard = played[: int(len(played) / factor)]
        found.add(round(loudest_frequency(heard) / 800, 2))
    assert found == {round(factor, 2), round(1 / factor, 2)}


def test_reverberation_keeps_the_energy_and_decays_as_stated() -> None:
    click = np.zeros(32_000, np.float32)
    click[100] = 0.5
    wet = room.reverberation(click, 0.5, 0.0, rng()).astype(np.float64)
    assert np.sum(wet**2) == pytest.approx(np.sum(click.astype(np.float64) ** 2), rel=1e-3)
    early, late = np.sum(wet[500:1300] ** 2), np.sum(wet[4500:5300] ** 2)
    assert 10 * np.log10(early / late) == pytest.approx(60 * 4000 / 16_000 / 0.5, abs=2)
    direct = wet[100] ** 2
    assert 10 * np.log10(direct / (np.sum(wet**2) - direct)) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("bits", [4.0, 8.0])
def test_quantisation_rounds_to_multiples_of_its_step(bits: float) -> None:
    clip = tone(333) * np.float32(0.9)
    coarse = level.quantisation(clip, bits, rng())
    step = 2.0 ** (np.ceil(np.log2(np.abs(clip).max())) - bits + 1)
    assert np.array_equal(np.rint(coarse / step) * step, coarse)
    assert np.abs(coarse - clip).max() <= step / 2 * 1.0001


def test_clipping_and_gain_have_the_stated_level() -> None:
    clip = tone(333)
    assert np.abs(level.clipping(clip, 0.2, rng())).max() == pytest.approx(0.2 * np.abs(clip).max())
    assert level.gain(clip, -20.0, rng()).std() == pytest.approx(clip.std() / 10, rel=1e-4)
