"""Presets: named scenarios for everyday conditions, and the noise protocol of Prompt the Missing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avbuild.corruptions import CORRUPTIONS
from avbuild.errors import UsageError
from avbuild.scenarios.manifest_file import dump_manifest, parse_manifest
from avbuild.scenarios.presets import PRESETS
from avbuild.scenarios.spec import Scenario
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.frontends.whisper_mel import Frontend
from tests.avtrain.data.test_dataset import manifest_of
from tests.support.commands import fail, rows, succeed

HEAD = "manifest: 1\nname: mine\ndataset: .\n"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_scenario_that_round_trips(name: str) -> None:
    scenario = Scenario.model_validate({"preset": name})
    assert Scenario.model_validate(scenario.as_yaml()) == scenario
    assert PRESETS[name].summary.endswith(".")


def test_a_preset_takes_a_severity_and_a_seed() -> None:
    scenario = Scenario.model_validate({"preset": "rain", "severity": 5, "seed": 7})
    assert scenario.plans["audio"].severity == scenario.plans["image"].severity == 5
    assert scenario.seed == 7


def test_a_preset_with_fixed_levels_takes_no_severity() -> None:
    with pytest.raises(ValueError, match="poster-A has fixed levels and takes no severity"):
        Scenario.model_validate({"preset": "poster-A", "severity": 5})


def test_an_unknown_preset_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r'line 5 .*no preset "rian"; did you mean "rain"'):
        parse_manifest(HEAD + "scenarios:\n  R: {preset: rian}\n", "mine.yaml")
    with pytest.raises(UsageError, match='no preset "posters"; did you mean "poster"'):
        parse_manifest(HEAD + "preset: posters\n", "mine.yaml")


def test_the_preset_poster_has_the_bugs_of_the_released_code() -> None:
    manifest = parse_manifest(HEAD + "preset: poster\n", "mine.yaml")
    assert list(manifest.scenarios) == ["C", "A", "V", "D"]
    stds = {
        name: [op.level for op in manifest.scenarios[name].ops if op.name == "feature_gaussian_noise"] for name in "AD"
    }
    assert stds == {"A": [{"std": 10.0}], "D": [{"std": 1.0}]}  # weaker in D than in A
    for name in "VD":  # every image is the mean colour
        assert [op.name for op in manifest.scenarios[name].plans["image"].chain] == ["feature_blank"]
    assert "feature_shift_bins" in [op.name for op in manifest.scenarios["A"].ops]  # mel bins, not time
    assert parse_manifest(dump_manifest(manifest), "again.yaml") == manifest


def test_the_preset_poster_fixed_is_as_strong_in_d_as_in_a_and_v() -> None:
    manifest = parse_manifest(HEAD + "preset: poster-fixed\n", "mine.yaml")
    both, alone = manifest.scenarios["D"].plans, {**manifest.scenarios["A"].plans, **manifest.scenarios["V"].plans}
    assert both == alone


def test_scenarios_beside_a_preset_are_added_or_replace_its_own() -> None:
    manifest = parse_manifest(
        HEAD + "preset: poster\nscenarios:\n  R: {preset: rain}\n  V: {image: missing}\n", "m.yaml"
    )
    assert list(manifest.scenarios) == ["C", "A", "V", "D", "R"]
    assert manifest.scenarios["V"].plans["image"].missing_rate == 1.0


def feature(modality: str, name: str, features: np.ndarray, *level: float, seed: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    return CORRUPTIONS[modality][name].apply(features, level, np.random.default_rng(seed))


def test_feature_shifts_roll_mel_bins_or_frames() -> None:
    features = np.arange(100 * 80, dtype=np.float32).reshape(100, 80)
    for seed in range(20):
        bins = feature("audio", "feature_shift_bins", features, 64, seed=seed)
        assert any(np.array_equal(bins, np.roll(features, k, axis=1)) for k in range(-64, 65))
        frames = feature("audio", "feature_shift_time", features, 64, seed=seed)
        assert any(np.array_equal(frames, np.roll(features, k, axis=0)) for k in range(-64, 65))


def test_feature_masks_are_one_stretch_of_the_stated_width_at_most() -> None:
    ones = np.ones((100, 80), np.float32)
    for seed in range(50):
        bins = (feature("audio", "feature_mask_bins", ones, 31, seed=seed) == 0).any(axis=0)
        frames = (feature("audio", "feature_mask_time", ones, 31, seed=seed) == 0).any(axis=1)
        for masked in (np.flatnonzero(bins), np.flatnonzero(frames)):
            assert masked.size <= 31
            assert masked.size == 0 or masked[-1] - masked[0] + 1 == masked.size


@pytest.mark.parametrize("kernel", [1, 3, 7, 51])
def test_feature_box_blur_is_the_mean_of_its_square(kernel: int) -> None:
    features = np.random.default_rng(0).standard_normal((3, 64, 64)).astype(np.float32)
    reach = kernel // 2
    padded = np.pad(features.astype(np.float64), ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    blurred = feature("image", "feature_box_blur", features, kernel)
    np.testing.assert_allclose(blurred, windows.mean(axis=(3, 4)), rtol=1e-4, atol=1e-5)


def test_feature_noise_on_images_is_clamped_to_3() -> None:
    noisy = feature("image", "feature_gaussian_noise", np.zeros((3, 64, 64), np.float32), 5.0)
    assert np.abs(noisy).max() == 3
    assert np.mean(np.abs(noisy) == 3) > 0.4


def test_the_data_loader_applies_feature_ops_reproducibly(small_data: Path) -> None:
    frontend = Frontend(audio_seconds=0.5, image_size=16)
    manifest = manifest_of(small_data, P={"preset": "poster-D"})
    rows_of = read_rows(manifest, "test")
    clean, noisy, again = (MultimodalData(rows_of, manifest, frontend, (name,)) for name in ("C", "P", "P"))
    one, two, three = (data.collate([data[index] for index in range(8)]) for data in (clean, noisy, again))
    assert torch.equal(two.inputs["audio"], three.inputs["audio"])
    assert (one.inputs["audio"] != two.inputs["audio"]).any(dim=(1, 2)).float().mean() > 0.8
    assert not two.inputs["image"].any()
    single = noisy.collate([noisy[5]])  # the same in a batch of its own
    assert torch.equal(single.inputs["audio"][0], two.inputs["audio"][5])


def test_avbuild_refuses_to_write_feature_ops(small_data: Path) -> None:
    message = fail("corrupt", "--scenario", "poster-A", "--data", small_data)
    assert "acts on features (feature_gaussian_noise" in message
    assert "avtrain applies it" in message


def test_a_preset_can_be_corrupted_by_name_without_a_manifest(small_data: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(small_data, tmp_path / "data"))
    succeed("corrupt", "--scenario", "rain", "--severity", 4, "--data", folder, "--workers", 1)
    assert '"op":"rain"' in rows(folder, "rain-severity4")[0]["corruption"]
    assert "intact" in succeed("verify", folder)
