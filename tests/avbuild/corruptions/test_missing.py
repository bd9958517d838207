"""Missing modalities: published protocols, and the fills that replace a missing modality."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbuild.corruptions.missing import PROTOCOLS
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.plan import SamplePlan, at_severity, condition, plan_sample
from avbuild.scenarios.seeding import uniform_for
from avbuild.scenarios.spec import Scenario

AUDIO = ((np.arange(4_000) * 7919 % 20_011 - 10_005) / 32_768).astype(np.float32)
IMAGE = (np.arange(24 * 32 * 3) * 7919 % 251).astype(np.uint8).reshape(24, 32, 3)
BOTH = ("audio", "image")


def plan(scenario: dict[str, object], sample: str, epoch: int = 0) -> SamplePlan:
    manifest = Manifest(manifest=1, name="m", dataset=".", scenarios={"X": Scenario.model_validate(scenario)})
    return plan_sample(condition(manifest, "X"), sample, BOTH, epoch)


def chosen(protocol: str, sample: str, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    def draw(what: str) -> float:
        return uniform_for(seed=0, purpose=f"{protocol} {what}", sample=sample)

    return PROTOCOLS[protocol].choose(draw, modalities, rate)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(count=st.integers(1, 5), rate=st.floats(0, 1), sample=st.text(max_size=8))
def test_at_least_one_modality_is_kept_at_any_rate(protocol: str, count: int, rate: float, sample: str) -> None:
    modalities = ("audio", "image", "text", "video", "depth")[:count]
    assert chosen(protocol, sample, modalities, rate) < set(modalities)


@pytest.mark.parametrize("protocol", ["cpm", "tate", "map"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6, 0.7])
def test_the_missing_rate_is_the_stated_real_rate(protocol: str, count: int, rate: float) -> None:
    modalities = ("audio", "image", "text")[:count]
    missing = np.mean([len(chosen(protocol, str(n), modalities, rate)) for n in range(6_000)]) / count
    assert missing == pytest.approx(PROTOCOLS[protocol].real_rate(count, rate), abs=0.015)


def test_cpm_at_70_percent_means_50_percent_for_two_modalities() -> None:
    # "70 %" with three modalities is really 66.7 %, and with two modalities every rate from 50 % on is 50 %
    assert PROTOCOLS["cpm"].real_rate(3, 0.7) == pytest.approx(2 / 3)
    assert PROTOCOLS["cpm"].real_rate(2, 0.7) == 0.5
    assert all(len(chosen("cpm", str(n), BOTH, 0.7)) == 1 for n in range(200))


def test_cpm_leaves_the_published_share_of_samples_complete() -> None:
    # 72, 48, 30, 17, 7, 1 and 0 % of the samples at rates of 10 to 70 % of the published masks, three modalities
    modalities = ("audio", "image", "text")
    for rate, published in zip((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), (72, 48, 30, 17, 7, 1, 0), strict=True):
        complete = np.mean([not chosen("cpm", str(n), modalities, rate) for n in range(4_000)])
        assert 100 * complete == pytest.approx(published, abs=3)


def test_mmin_draws_every_incomplete_set_of_modalities_equally_often() -> None:
    modalities = ("audio", "image", "text")
    patterns = [chosen("mmin", str(n), modalities, 0.0) for n in range(6_000)]
    assert len(set(patterns)) == 6
    assert all(patterns.count(pattern) / 6_000 == pytest.approx(1 / 6, abs=0.02) for pattern in set(patterns))


def test_tate_as_released_drops_the_last_modality_half_the_time() -> None:
    modalities = ("audio", "image", "text")
    last = [chosen("tate_as_released", str(n), modalities, 1.0) == {"text"} for n in range(4_000)]
    assert np.mean(last) == pytest.approx(0.5, abs=0.03)


def test_map_image_drops_only_the_image() -> None:
    missing = [plan({"missing": {"protocol": "map_image", "rate": 0.7}}, str(n)).missing for n in range(2_000)]
    assert {frozenset(), frozenset({"image"})} == set(missing)
    assert np.mean([bool(modalities) for modalities in missing]) == pytest.approx(0.7, abs=0.03)


@given(low=st.floats(0, 0.9), more=st.floats(0, 0.5), sample=st.text(min_size=1, max_size=8))
@pytest.mark.parametrize("protocol", ["cpm", "tate", "map"])
def test_what_is_missing_at_one_rate_is_missing_at_every_higher_one(
    protocol: str, low: float, more: float, sample: str
) -> None:
    few = plan({"missing": {"protocol": protocol, "rate": low}}, sample).missing
    many = plan({"missing": {"protocol": protocol, "rate": min(1.0, low + more)}}, sample).missing
    assert few <= many


def test_a_severity_sets_the_rate_of_a_protocol() -> None:
    scenario = Scenario.model_validate({"missing": {"protocol": "cpm", "rate": 0.2}})
    assert at_severity(scenario, "M", 4).missing.rate == 0.7  # type: ignore[union-attr]


@pytest.mark.parametrize("what", ["zeros", "mean", "noise"])
def test_a_fill_is_recorded_and_does_not_depend_on_the_signal(what: str) -> None:
    scenario = {"audio": {"missing_rate": 1.0, "fill": what}}
    planned = plan(scenario, "a")
    signals, record = corrupt(planned, {"audio": AUDIO})
    assert record == {"scenario": "X", "seed": 0, "audio": {"missing": what}}
    other, _ = corrupt(planned, {"audio": AUDIO[::-1].copy()})
    assert np.array_equal(signals["audio"], other["audio"])
    assert np.any(signals["audio"]) == (what == "noise")


def test_the_mean_fill_is_zero_after_normalisation() -> None:
    from avtrain.frontends.base import normalise_image

    torch = pytest.importorskip("torch")
    image = MODALITIES["image"].fill_one(IMAGE, "mean", np.random.default_rng(0))
    normalised = normalise_image(torch.from_numpy(image).permute(2, 0, 1), 24)
    assert normalised.abs().max() < 0.01


def test_a_protocol_and_a_rate_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        Scenario.model_validate({"audio": {"missing_rate": 0.3}, "missing": {"protocol": "cpm"}})
    with pytest.raises(ValueError, match='no protocol "cpn"; did you mean "cpm"'):
        Scenario.model_validate({"missing": {"protocol": "cpn"}})


def test_nan_and_infinity_are_refused_and_the_sample_named() -> None:
    from avbuild.errors import UserError

    for bad in (np.nan, np.inf):
        clip = AUDIO.copy()
        clip[7] = bad
        with pytest.raises(UserError, match="sample the-one: its audio holds NaN or infinite"):
            corrupt(plan({"audio": [{"time_mask": 1}]}, "the-one"), {"audio": clip})
