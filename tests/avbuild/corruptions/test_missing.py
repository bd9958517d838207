"""Missing modalities: published protocols, and the fills that replace a missing modality."""

import itertools
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avbuild.corruptions.missing import PROTOCOLS
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios import seeding
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.plan import SamplePlan, at_severity, condition, plan_sample
from avbuild.scenarios.seeding import uniform_for
from avbuild.scenarios.spec import Scenario

AUDIO = ((np.arange(4_000) * 7919 % 20_011 - 10_005) / 32_768).astype(np.float32)
IMAGE = (np.arange(24 * 32 * 3) * 7919 % 251).astype(np.uint8).reshape(24, 32, 3)
BOTH = ("audio", "image")
THREE = (*BOTH, "text")


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


def in_words(protocol: str, modalities: tuple[str, ...], rate: float) -> dict[frozenset[str], float]:
    """Return the chance of every set of missing modalities, each rule written out anew from its definition."""
    count, empty, only = len(modalities), frozenset[str](), protocol.partition("_")[2]
    subsets = [frozenset(some) for n in range(count) for some in itertools.combinations(modalities, n)]
    ones = [some for some in subsets if len(some) == 1]
    chances = Counter({empty: 1.0})
    if count == 1:
        pass
    elif protocol == "cpm":  # the safe one is any of V; the others are lost with chance rate * V / (V - 1), at most 1
        lost = min(1.0, rate * count / (count - 1))
        chances = Counter[frozenset[str]]()
        for safe, some in itertools.product(modalities, subsets):
            if safe not in some:
                chances[some] += lost ** len(some) * (1 - lost) ** (count - 1 - len(some)) / count
    elif protocol == "bernoulli" and rate > 1 - 1e-9:  # the limit
        chances = Counter({some: 1 / count for some in subsets if len(some) == count - 1})
    elif protocol == "bernoulli":  # independent, given that not all are lost
        independent = {some: rate ** len(some) * (1 - rate) ** (count - len(some)) for some in subsets}
        chances = Counter({some: chance / (1 - rate**count) for some, chance in independent.items()})
    elif protocol == "mmin":
        chances = Counter(dict.fromkeys(subsets[1:], 1 / (len(subsets) - 1)))
    elif protocol in ("tate", "map"):
        chances = Counter({empty: 1 - rate} | dict.fromkeys(ones, rate / count))
    elif protocol == "tate_as_released":
        fourth = frozenset({"audio", "text"}) if set(modalities) > {"audio", "text"} else frozenset(modalities[-1:])
        chances = Counter({empty: 1 - rate} | dict.fromkeys(ones, rate / (count + 1)))
        chances[fourth] += rate / (count + 1)
    elif only in modalities:
        share = 1.0 if protocol.startswith("fixed_") else rate
        chances = Counter({frozenset({only}): share, empty: 1 - share})
    return dict(chances)


SETS = [some for n in (1, 2, 3, 4) for some in itertools.combinations(MODALITIES, n)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(modalities=st.sampled_from(SETS), rate=st.floats(0, 1))
def test_the_stated_chances_are_those_of_the_definition(
    protocol: str, modalities: tuple[str, ...], rate: float
) -> None:
    stated, defined = PROTOCOLS[protocol].chances(modalities, rate), in_words(protocol, modalities, rate)
    assert all(stated.get(some, 0) == pytest.approx(defined.get(some, 0), abs=1e-6) for some in {*stated, *defined})
    assert sum(stated.values()) == pytest.approx(1)
    cells = sum(len(some) * chance for some, chance in defined.items()) / len(modalities)
    assert PROTOCOLS[protocol].cells_missing(modalities, rate) == pytest.approx(cells, abs=1e-6)
    assert PROTOCOLS[protocol].complete(modalities, rate) == pytest.approx(defined.get(frozenset(), 0), abs=1e-6)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=12)
@given(
    modalities=st.sampled_from(SETS),
    rate=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0])),
    n=st.one_of(st.integers(1, 10_000), st.sampled_from([1, 2, 10_000])),
    seed=st.integers(0, 1_000),
)
def test_any_number_of_samples_is_drawn_by_the_definition(
    protocol: str, modalities: tuple[str, ...], rate: float, n: int, seed: int
) -> None:
    """Every sample takes one draw, so it always ends; each pattern is as frequent as chance allows."""
    drawn = Counter(chosen(protocol, f"{seed}/{number}", modalities, rate) for number in range(n))
    assert all(missing < set(modalities) for missing in drawn), "at least one is left"
    defined = in_words(protocol, modalities, rate)
    for missing in {*drawn, *defined}:
        chance = min(1.0, max(0.0, defined.get(missing, 0.0)))
        # Bernstein's inequality: the chance of more is below 1e-9 for any n
        bound = np.sqrt(2 * n * chance * (1 - chance) * 21.5) + 2 * 21.5 / 3
        assert abs(drawn[missing] - n * chance) <= bound, (missing, drawn[missing], n * chance)
        assert chance > 1e-12 or not drawn[missing]
    cells = sum(len(missing) * count for missing, count in drawn.items()) / (n * len(modalities))
    expected = PROTOCOLS[protocol].cells_missing(modalities, rate)
    assert abs(cells - expected) <= np.sqrt(21.5 / (2 * n)), "Hoeffding's inequality, as rarely"


def test_cpm_at_70_percent_means_50_percent_for_two_modalities() -> None:
    # "70 %" with three modalities is really 66.7 %, and with two modalities every rate from 50 % on is 50 %
    assert PROTOCOLS["cpm"].cells_missing(THREE, 0.7) == pytest.approx(2 / 3)
    assert PROTOCOLS["cpm"].cells_missing(BOTH, 0.7) == 0.5
    assert all(len(chosen("cpm", str(n), BOTH, 0.7)) == 1 for n in range(200))


def test_bernoulli_without_a_choice() -> None:
    """At a rate of 0 nothing is missing, at 1 all but one: the limit of the condition that one is left."""
    assert all(not chosen("bernoulli", str(n), THREE, 0.0) for n in range(200))
    assert all(len(chosen("bernoulli", str(n), THREE, 1.0)) == 2 for n in range(200))
    assert PROTOCOLS["bernoulli"].cells_missing(BOTH, 0.5) == pytest.approx(1 / 3)
    assert PROTOCOLS["bernoulli"].cells_missing(THREE, 0.7) == pytest.approx((0.7 - 0.7**3) / (1 - 0.7**3))


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


def test_tate_as_released_drops_a_quarter_each_of_three_modalities_and_of_audio_with_text() -> None:
    drawn = Counter(chosen("tate_as_released", str(n), THREE, 1.0) for n in range(4_000))
    assert set(drawn) == {*map(frozenset, (["audio"], ["image"], ["text"], ["audio", "text"]))}
    assert all(count / 4_000 == pytest.approx(0.25, abs=0.03) for count in drawn.values())
    # a nominal rate is .417 of itself
    assert PROTOCOLS["tate_as_released"].cells_missing(THREE, 0.6) == pytest.approx(0.6 * 5 / 12)


@pytest.mark.parametrize("modalities", [BOTH, ("image", "text"), ("audio", "text"), ("audio", "image", "video")])
def test_tate_as_released_without_such_three_is_what_version_0_1_drew(modalities: tuple[str, ...]) -> None:
    """Existing data sets keep their masks: the last modality stands for the case that its `randint` adds."""
    for sample in map(str, range(300)):
        draw = partial(uniform_for, seed=0, sample=sample)
        place = int(draw(purpose="tate_as_released which") * (len(modalities) + 1))
        wanted = {modalities[min(place, len(modalities) - 1)]} if draw(purpose="tate_as_released loses") < 0.6 else ()
        assert chosen("tate_as_released", sample, modalities, 0.6) == frozenset(wanted)


@pytest.mark.parametrize(
    ("protocol", "digest"),
    [
        ("cpm", "8ff745b9e495b365"),
        ("bernoulli", "8cdfde9f7ccc7d60"),
        ("mmin", "092d9c56c8f3426c"),
        ("tate", "c104e87508cdd234"),
        ("tate_as_released", "76863485cca9f91f"),
        ("map", "d00bd5a3b67b6d78"),
        ("map_image", "c3529cc519f40d6f"),
        ("fixed_image", "dbd58048fed4e930"),
    ],
)
def test_the_masks_of_two_modalities_never_change(protocol: str, digest: str) -> None:
    """Masks are part of the data: a change would need another name, as the hash of a scenario holds no version."""
    masks = [sorted(chosen(protocol, str(n), BOTH, rate)) for rate in (0.2, 0.5, 0.8) for n in range(50)]
    assert seeding.digest(masks)[:16] == digest


def test_fixed_drops_its_modality_from_every_sample_that_has_another() -> None:
    scenario = {"missing": {"protocol": "fixed_audio"}}
    assert all(plan(scenario, str(n)).missing == {"audio"} for n in range(50))
    assert chosen("fixed_audio", "a", ("audio",), 0.5) == frozenset()
    assert chosen("fixed_text", "a", BOTH, 0.5) == frozenset()
    assert Scenario.model_validate(scenario).as_yaml() == scenario


def test_map_image_drops_only_the_image() -> None:
    missing = [plan({"missing": {"protocol": "map_image", "rate": 0.7}}, str(n)).missing for n in range(2_000)]
    assert {frozenset(), frozenset({"image"})} == set(missing)
    assert np.mean([bool(modalities) for modalities in missing]) == pytest.approx(0.7, abs=0.03)


@given(
    modalities=st.sampled_from(SETS),
    low=st.floats(0, 0.9),
    more=st.floats(0, 0.5),
    sample=st.text(min_size=1, max_size=8),
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_missing_at_one_rate_is_missing_at_every_higher_one(
    protocol: str, modalities: tuple[str, ...], low: float, more: float, sample: str
) -> None:
    few = chosen(protocol, sample, modalities, low)
    assert few <= chosen(protocol, sample, modalities, min(1.0, low + more))


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
