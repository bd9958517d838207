"""Hold corruptions of images against the distances that the published code has, and some steps against its formulas.

`official_distances.json` was measured with the originals; the file names the command. Neither imagecorruptions nor the
scripts of CIFAR-10-C are needed here.
"""

import importlib
import json
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from avbuild.corruptions.image import blur, drops, weather
from avbuild.corruptions.image.enlarging import cut_to_enlarge
from avbuild.corruptions.image.gaussian import gaussian
from avbuild.corruptions.image.lens import FROST_COLOURS, _frost_texture
from avbuild.corruptions.image.sampling import smooth_field
from avbuild.corruptions.registry import SEVERITIES
from tests.conftest import REPOSITORY

OFFICIAL = json.loads((REPOSITORY / "tests/support/official_distances.json").read_text())
KEYS = sorted(key for key in OFFICIAL if key != "command")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_image(height: int = 61, width: int = 47) -> NDArray[np.uint8]:
    return rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("fidelity")


def test_all_corruptions_of_the_benchmarks_are_held_at_both_sizes(script: ModuleType) -> None:
    peers = importlib.import_module("peers")
    assert set(KEYS) == {f"{name}/{side}" for name in peers.IMAGE_PEERS for side in script.SIDES}


@pytest.mark.parametrize("key", KEYS)
def test_distance_from_clean_is_within_15_percent_of_the_published_code(script: ModuleType, key: str) -> None:
    name, side = key.split("/")
    image = script.natural_like(int(side))
    for severity in SEVERITIES:
        found = script.distance(name, script.ours(name), [image], severity, script.synthetic_draws(name, 8))
        assert found == pytest.approx(OFFICIAL[key][severity - 1], rel=script.TOLERANCE), f"severity {severity}"


def test_the_table_marks_what_is_outside(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    from PIL import Image

    Image.fromarray(script.natural_like(96)).save(f"{tmp_path}/a.png")
    originals = importlib.import_module("originals")
    contrast = script.ours("contrast")
    exact, half = (lambda x, s: contrast(x, s, 0)), (lambda x, s: x // 2 + contrast(x, s, 0) // 2)
    monkeypatch.setattr(originals, "large_originals", lambda _: {"contrast": exact, "fog": half})
    monkeypatch.setattr("sys.argv", ["fidelity.py", "--images", str(tmp_path), "--only", "contrast"])
    script.main()
    assert capsys.readouterr().out.splitlines()[-1].endswith("| 1.00 |  |")
    monkeypatch.setattr(originals, "large_originals", lambda _: {"contrast": half})
    script.main()
    assert capsys.readouterr().out.splitlines()[-1].endswith("outside |")


@pytest.mark.parametrize("sigma", [0.25, 0.4, 0.7, 0.9])
def test_a_narrow_gaussian_is_sampled_at_whole_pixels(sigma: float) -> None:
    expected = gaussian_filter(random_image().astype(float), (sigma, sigma, 0), mode="nearest", truncate=4)
    assert np.abs(gaussian(random_image(), sigma) - expected).max() < 0.6


def test_a_narrow_smooth_field_is_noise_blurred_with_the_sampled_gaussian() -> None:
    drawn = np.stack([smooth_field((32, 32), 0.5, rng(seed)) for seed in range(60)])
    blurred = np.stack([gaussian_filter(rng(seed).standard_normal((32, 32)), 0.5) for seed in range(60)])
    assert drawn.std() == pytest.approx(blurred.std(), rel=0.02)


@pytest.mark.parametrize("factor", [1.01, 1.04, 1.11, 1.25, 2.0])
@pytest.mark.parametrize("side", [32, 61, 224])
def test_zoom_cuts_out_whole_pixels_and_keeps_the_corners(factor: float, side: int) -> None:
    """Compare with scipy's zoom of the cut-out part, which the published code uses."""
    line = rng(1).uniform(0, 255, side)
    cut = int(np.ceil(side / factor))
    top = (side - cut) // 2
    expected = zoom(line[top : top + cut], factor, order=1)
    expected = expected[(expected.size - side) // 2 :][:side]
    part = cut_to_enlarge(side, factor)
    assert part.length == cut
    positions = top + part.start + (np.arange(side) + 0.5) * (part.end - part.start) / side - 0.5
    assert np.abs(np.interp(positions, np.arange(side), line) - expected).max() < 1.0


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_glass_blur_copies_neighbours_one_after_the_other(reach: int) -> None:
    height, width = 23, 19
    # follow the published loop, with the displacements that our round draws
    drawn = np.zeros((height, width, 2), int)
    inner = (slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1))
    raw = rng(3).bit_generator.random_raw(-(-2 * drawn[inner][..., 0].size // 4))
    bits = raw.view(np.uint16)[: 2 * drawn[inner][..., 0].size].reshape(2, *drawn[inner].shape[:2]).astype(int)
    drawn[inner] = np.moveaxis((bits * 2 * reach >> 16) - reach, 0, -1)
    pixels = np.arange(height * width).reshape(height, width)
    for row in range(height - reach, reach, -1):
        for column in range(width - reach, reach, -1):
            down, right = drawn[row, column]
            pixels[row, column] = pixels[row + down, column + right]
    assert np.array_equal(blur._sources(height, width, reach, rng(3)).reshape(height, width), pixels)
    assert drawn.min() == -reach
    assert drawn.max() == reach - 1


def test_snow_whitens_beyond_white_before_it_mixes() -> None:
    grey = np.full((64, 64, 3), 200, np.uint8)
    # without flakes (none reaches the threshold): 0.5 * 200 + 0.5 * (1.5 * 200 + 127.5)
    assert weather.snow(grey, 0.0, 0.0, 1.0, 0.9, 3.0, 2.0, 0.5, rng()).mean() == 255
    dark = np.full((64, 64, 3), 100, np.uint8)
    assert weather.snow(dark, 0.0, 0.0, 1.0, 0.9, 3.0, 2.0, 0.5, rng()).mean() == pytest.approx(188.75, abs=1)
    # 0.9 * 200 + 0.1 * 427.5; clipping at white before mixing would give 205.5
    assert weather.snow(grey, 0.0, 0.0, 1.0, 0.9, 3.0, 2.0, 0.9, rng()).mean() == pytest.approx(222.75, abs=1)
    white = np.full((8, 8, 3), 255, np.uint8)
    assert weather.snow(white, 0.0, 0.0, 1.0, 0.9, 3.0, 2.0, 0.0, rng()).min() == 255


def test_fog_weakens_by_the_square_of_its_smoothness() -> None:
    def roughness(smoothness: float) -> float:
        """Return how much finest detail there is, relative to the coarsest."""
        clouds = [weather.plasma(256, smoothness, rng(seed)) for seed in range(12)]
        return float(np.mean([np.abs(np.diff(cloud, axis=0)).mean() / cloud.std() for cloud in clouds]))

    # from 256 to 2 pixels the strength is divided 7 times by the square
    assert roughness(2.0) < 0.1
    assert roughness(1.4) > 2 * roughness(2.0)


@pytest.mark.parametrize("small", [False, True])
def test_frost_textures_have_the_mean_and_contrast_of_the_photographs(small: bool) -> None:
    for index, (means, deviations) in enumerate(FROST_COLOURS):
        texture = _frost_texture(index, small).astype(float)
        np.testing.assert_allclose(texture.mean(axis=(0, 1)), means, atol=2.0)
        np.testing.assert_allclose(texture.std(axis=(0, 1)), deviations, rtol=0.05)


def test_highlights_lie_on_the_liquid_on_slopes_that_face_the_upper_left() -> None:
    liquid = np.zeros((60, 60), np.uint8)
    y, x = np.mgrid[:60, :60]
    liquid[np.hypot(y - 30, x - 30) < 15] = 200
    shine = drops.highlights(liquid)
    assert shine.max() == 1
    assert shine[liquid == 0].max() == 0
    # the distance to the edge rises towards the centre, and slopes that face the lower right are dark
    assert shine[20:30, 20:30].mean() > 2 * shine[30:40, 30:40].mean()
    assert not drops.highlights(np.zeros((9, 9), np.uint8)).any()
    assert not drops.highlights(np.full((9, 9), 200, np.uint8)).any()
