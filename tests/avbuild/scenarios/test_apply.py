"""The law of seeds: a corrupted sample is a pure function of seed, scenario, sample id and op version."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from avbuild.modalities.audio import decode_audio, encode_audio, quantise_audio
from avbuild.modalities.image import decode_image, encode_image
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.plan import SamplePlan, at_severity, condition, plan_sample
from avbuild.scenarios.spec import Scenario

AUDIO = ((np.arange(8_000) * 7919 % 20_011 - 10_005) / 32_768).astype(np.float32)
IMAGE = (np.arange(32 * 32 * 3) * 7919 % 251).astype(np.uint8).reshape(32, 32, 3)
AUDIO_OPS = {"any_of": ["gaussian_noise", "time_shift", "time_mask"], "severity": 3}
IMAGE_OPS = {"any_of": ["gaussian_noise", "box_blur", "pixelate"], "severity": 3}


def manifest(seed: int = 0, **scenarios: dict[str, object]) -> Manifest:
    parsed = {name: Scenario.model_validate(scenario) for name, scenario in scenarios.items()}
    return Manifest(manifest=1, name="m", dataset=".", seed=seed, scenarios=parsed)


def plan(scenario: dict[str, object], sample: str, seed: int = 0, name: str = "X", epoch: int = 0) -> SamplePlan:
    return plan_sample(condition(manifest(seed, **{name: scenario}), name), sample, ("audio", "image"), epoch)


def execute(planned: SamplePlan) -> tuple[NDArray[np.generic] | None, NDArray[np.generic] | None]:
    signals, _ = corrupt(planned, {"audio": AUDIO, "image": IMAGE})
    return signals["audio"], signals["image"]


@given(sample=st.text(min_size=1, max_size=20), seed=st.integers(0, 2**40))
def test_corrupting_a_sample_twice_gives_the_same_signals(sample: str, seed: int) -> None:
    scenario = {"audio": AUDIO_OPS, "image": IMAGE_OPS}
    for first, second in zip(*(execute(plan(scenario, sample, seed)) for _ in range(2)), strict=True):
        assert np.array_equal(first, second)


@given(sample=st.text(min_size=1, max_size=20))
def test_an_unchanged_modality_is_the_same_object(sample: str) -> None:
    assert execute(plan({"audio": AUDIO_OPS}, sample))[1] is IMAGE
    assert execute(plan({"image": IMAGE_OPS}, sample))[0] is AUDIO
    clean = execute(plan({}, sample))
    assert clean[0] is AUDIO
    assert clean[1] is IMAGE


def test_seed_scenario_sample_and_epoch_each_change_the_draw() -> None:
    noise = {"audio": {"chain": ["gaussian_noise"], "severity": 3}}
    base, _ = execute(plan(noise, "a"))
    others = (plan(noise, "b"), plan(noise, "a", seed=1), plan(noise, "a", name="Y"), plan(noise, "a", epoch=1))
    for other in others:
        assert not np.array_equal(base, execute(other)[0])


def test_all_severities_draw_the_same_ops() -> None:
    scenario = Scenario.model_validate({"audio": AUDIO_OPS, "image": IMAGE_OPS})
    variants = {f"X-severity{s}": at_severity(scenario, "X", s) for s in (1, 5)}
    both = Manifest(manifest=1, name="m", dataset=".", scenarios={"X": scenario, **variants})
    for sample in map(str, range(30)):
        chosen = {
            name: [op.name for ops in plan_sample(condition(both, name), sample, ("audio", "image")).ops.values()
                   for op, _ in ops]
            for name in both.scenarios
        }  # fmt: skip
        assert chosen["X"] == chosen["X-severity1"] == chosen["X-severity5"]


def test_any_of_draws_each_op_about_equally_often() -> None:
    names = [plan({"audio": AUDIO_OPS}, str(sample)).ops["audio"][0][0].name for sample in range(600)]
    assert all(150 < names.count(name) < 250 for name in AUDIO_OPS["any_of"])


@given(low=st.floats(0, 0.95), more=st.floats(0, 0.5), sample=st.text(min_size=1, max_size=8))
def test_what_is_missing_at_one_rate_is_missing_at_every_higher_one(low: float, more: float, sample: str) -> None:
    def missing(rate: float, name: str) -> frozenset[str]:
        both = {"missing_rate": min(rate, 0.999)}
        return plan({"audio": both, "image": both}, sample, name=name).missing

    assert missing(low, "few") <= missing(low + more, "many")


@given(rate=st.floats(0, 0.999), sample=st.text(min_size=1, max_size=8))
def test_a_sample_keeps_at_least_one_modality(rate: float, sample: str) -> None:
    assert len(plan({"audio": {"missing_rate": rate}, "image": {"missing_rate": rate}}, sample).missing) < 2
    assert plan({"audio": "missing", "image": {"missing_rate": rate}}, sample).missing == {"audio"}


def test_the_achieved_missing_rate_is_the_requested_one() -> None:
    missing = sum("image" in plan({"image": {"missing_rate": 0.3}}, f"sample {n}").missing for n in range(4_000))
    assert missing / 4_000 == pytest.approx(0.3, abs=0.03)


def test_a_missing_modality_is_none_and_recorded() -> None:
    signals, record = corrupt(plan({"image": "missing"}, "a"), {"audio": AUDIO, "image": IMAGE})
    assert signals["image"] is None
    assert signals["audio"] is AUDIO
    assert record == {"scenario": "X", "seed": 0, "image": "missing"}


def test_the_record_names_op_version_level_and_severity() -> None:
    chain = {"audio": [{"time_mask": 2}, {"gaussian_noise": {"snr_db": 7.5}}], "image": [{"pixelate": 1}]}
    _, record = corrupt(plan(chain, "a"), {"audio": AUDIO, "image": IMAGE})
    assert record["audio"][0] == {"op": "time_mask", "version": 1, "fraction": 0.2, "severity": 2}
    assert record["audio"][1]["snr_db"] == 7.5
    assert record["image"] == [{"op": "pixelate", "version": 1, "scale": 0.95, "severity": 1}]


def test_an_unchanged_silent_clip_is_recorded_as_unchanged() -> None:
    silence = np.zeros(100, np.float32)
    noise = {"audio": {"chain": ["gaussian_noise"], "severity": 1}}
    signals, record = corrupt(plan(noise, "a"), {"audio": silence})
    assert signals["audio"] is silence
    assert record["audio"][-1]["unchanged"] is True


def test_a_mix_beyond_full_scale_is_attenuated_as_a_whole() -> None:
    loud = np.where(np.arange(8_000) % 2, 0.99, -0.99).astype(np.float32)
    noise = {"audio": [{"gaussian_noise": {"snr_db": 0.0}}]}
    signals, record = corrupt(plan(noise, "a"), {"audio": loud})
    gain = record["audio"][0]["gain"]
    noisy = np.asarray(signals["audio"], np.float64)
    assert gain < 1
    assert np.abs(noisy).max() <= 1
    residual = noisy / gain - loud
    assert 10 * np.log10(np.mean(loud**2) / np.mean(residual**2)) == pytest.approx(0.0, abs=0.1)


@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=200))
def test_flac_is_lossless_for_quantised_audio(values: list[float]) -> None:
    quantised, gain = quantise_audio(np.array(values, np.float32))
    assert np.array_equal(decode_audio(encode_audio(quantised)), quantised)
    assert np.array_equal(quantise_audio(quantised)[0], quantised)
    assert 0 < gain <= 1


def test_png_is_lossless_for_images() -> None:
    assert np.array_equal(decode_image(encode_image(IMAGE)), IMAGE)
