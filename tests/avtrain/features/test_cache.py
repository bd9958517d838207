"""Cached tokens: what training sees from the cache is what it would compute, and nothing stale is ever read."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import avtrain.features.files
from avbuild.dataset.storage import partial_name
from avbuild.progress import Advance
from avtrain.backbones.base import Reading
from avtrain.backbones.registry import build_backbone
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.features.cache import CachedData, FeatureCache, cached_source
from tests.avtrain.data.test_dataset import manifest_of
from tests.avtrain.methods.test_all_methods import SMALL
from tests.support.stopping import stopped_at_call
from tests.support.toys import toy_method


@pytest.fixture
def backbone():  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    return build_backbone("tiny", SMALL).eval()


def made(small_data: Path, backbone, folder: Path, most: int = 4, **scenarios):  # type: ignore[no-untyped-def]
    manifest = manifest_of(small_data, **scenarios)
    names = tuple(manifest.scenarios)
    data = MultimodalData(read_rows(manifest, "train"), manifest, backbone.frontend, names, epoch=1, draws=2)
    cache = FeatureCache(folder, backbone, Reading(most), Machine(torch.device("cpu")), "fp32")
    return data, cache


MISSING = {"M": {"audio": {"missing_rate": 0.5}}, "P": {"missing": {"protocol": "bernoulli", "rate": 0.7}}}


@pytest.mark.parametrize("scenarios", [{**MISSING, "F": {"image": {"missing_rate": 0.5, "fill": "mean"}}}, {}])
def test_batches_from_the_cache_are_those_that_would_be_computed(
    small_data: Path, backbone, tmp_path: Path, scenarios: dict[str, object]
) -> None:  # type: ignore[no-untyped-def]
    data, cache = made(small_data, backbone, tmp_path, **scenarios)
    kept = cache.source(data)
    for epoch in (1, 2, 3):
        for mine, live in zip(kept.at(epoch).batches(16, 3), data.at(epoch).batches(16, 3), strict=True):
            assert (mine.ids, mine.inputs) == (live.ids, {})
            assert torch.equal(mine.scenario, live.scenario)
            assert torch.equal(mine.labels, live.labels)
            tokens = backbone.frozen_tokens(live, Reading(4))
            for modality in ("audio", "image"):
                there = live.present[modality]
                assert torch.equal(mine.present[modality], there)
                torch.testing.assert_close(mine.tokens[modality][there], tokens[modality][there], rtol=2e-3, atol=2e-3)
                if "M" in scenarios:  # tokens of the clean sample never leak
                    assert not mine.tokens[modality][~there].any()


def test_scenarios_that_only_drop_modalities_share_the_tokens_of_clean_samples(
    small_data: Path, backbone, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    """Of every rate and every draw, new ones in each epoch too: nothing is computed again."""
    rates = {f"P{rate}": {"missing": {"protocol": "cpm", "rate": rate / 100}} for rate in (10, 30, 70)}
    data, cache = made(small_data, backbone, tmp_path, **rates)
    names = ("C", *rates)
    kept = cache.source(replace(data, scenarios=names, draws=0))
    assert len(list(tmp_path.iterdir())) == 1
    drawn = []
    for epoch in (1, 2, 40):
        (mine,), (live,) = (
            list(source.under("P30").at(epoch).batches(500)) for source in (kept, replace(data, draws=0))
        )
        assert all(torch.equal(mine.present[m], live.present[m]) for m in live.present)
        assert all(not mine.tokens[m][~mine.present[m]].any() for m in mine.tokens)
        drawn.append(mine.present["audio"])
    assert not torch.equal(drawn[0], drawn[1])
    assert len(list(tmp_path.iterdir())) == 1
    clean, lost = (next(iter(kept.under(name).batches(500))) for name in ("C", "P70"))
    there = lost.present["image"]
    assert torch.equal(lost.tokens["image"][there], clean.tokens["image"][there])
    cache.source(replace(data, scenarios=("P10",), epoch=0))
    assert len(list(tmp_path.iterdir())) == 1


def test_draws_repeat_and_clean_samples_have_one(small_data: Path, backbone, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data, cache = made(small_data, backbone, tmp_path)
    kept = cache.source(data)
    assert set(kept.features) == {("C", 0), *((name, draw) for name in "AVD" for draw in (1, 2))}
    under = kept.under("D")
    one, two, three = (next(iter(under.at(epoch).batches(4))).tokens["audio"] for epoch in (1, 2, 3))
    assert not torch.equal(one, two)
    assert torch.equal(one, three)


def test_it_is_computed_once_and_anew_for_whatever_decides_it(
    small_data: Path, backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    data, cache = made(small_data, backbone, tmp_path)
    computed: list[str] = []
    compute = FeatureCache._compute

    def counting(self: FeatureCache, place: Path, part: MultimodalData, advance: Advance) -> None:
        computed.append(place.name)
        compute(self, place, part, advance)

    monkeypatch.setattr(FeatureCache, "_compute", counting)
    cache.source(data)
    assert len(computed) == 7
    cache.source(data)
    assert len(computed) == 7
    replace(cache, reading=Reading(1)).source(data)
    assert len(computed) == 14
    seeded = replace(data, manifest=data.manifest.model_copy(update={"seed": 1}))
    cache.source(seeded)
    assert len(computed) == 20  # clean tokens do not depend on the seed
    with torch.no_grad():
        next(backbone.parameters()).add_(0.1)
    cache.source(data)
    assert len(computed) == 27
    assert len(set(computed)) == 27


def test_what_was_stopped_half_way_is_not_taken_for_whole(small_data: Path, backbone, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data, cache = made(small_data, backbone, tmp_path)
    with stopped_at_call(1, avtrain.features.files.np, "save"):
        cache.source(data)
    kept = cache.source(data)
    assert isinstance(kept, CachedData)
    assert all(len(f.present["audio"]) == len(data) for f in kept.features.values())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".partial")]


def test_what_a_killed_process_of_the_same_number_left_is_not_taken_in(
    small_data: Path, backbone, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    data, cache = made(small_data, backbone, tmp_path)
    cache.source(data)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.npy")}
    for folder in list(tmp_path.iterdir()):
        left = folder.rename(folder.with_name(partial_name(folder.name, os.getpid())))
        (left / "done.json").unlink()
    cache.source(data)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.npy")} == before


def test_without_repeated_draws_clean_data_is_kept_and_corrupted_data_computed_anew(
    small_data: Path, backbone, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    data, cache = made(small_data, backbone, tmp_path)
    fresh, machine = replace(data, draws=0), replace(cache.machine, cache=tmp_path)
    method = toy_method("concat", frozen=True).float()
    method.backbone = backbone
    assert cached_source(method, fresh, machine, "fp32") is fresh
    clean = cached_source(method, replace(fresh, scenarios=("C",)), machine, "fp32")
    assert isinstance(clean, CachedData)
    assert all(next(iter(clean.at(epoch).batches(4))).tokens for epoch in (1, 2, 7))
    assert isinstance(cached_source(method, replace(fresh, epoch=0), machine, "fp32"), CachedData)
