"""Batches: what is corrupted on the fly equals what is on disk; nothing depends on workers or order."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.spec import Scenario
from avtrain.data.batch_source import LoaderOptions
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_corrupted, read_rows, shared_recordings
from avtrain.frontends.whisper_mel import Frontend
from tests.support.synthetic_shards import samples_in_memory

FRONTEND = Frontend(audio_seconds=0.5, image_size=16)


def manifest_of(folder: Path, **scenarios: dict[str, object]) -> Manifest:
    manifest = load_manifest(folder / "manifest.yaml")
    added = {name: Scenario.model_validate(scenario) for name, scenario in scenarios.items()}
    return manifest.model_copy(update={"scenarios": {**manifest.scenarios, **added}})


def data_of(
    manifest: Manifest, split: str = "test", scenarios: tuple[str, ...] = ("C",), epoch: int = 0
) -> MultimodalData:
    return MultimodalData(read_rows(manifest, split), manifest, FRONTEND, scenarios, epoch)  # type: ignore[arg-type]


def whole(data: MultimodalData):  # type: ignore[no-untyped-def]
    return data.collate([data[index] for index in range(len(data))])


def test_on_the_fly_equals_what_is_on_disk(small_data: Path) -> None:
    manifest = manifest_of(small_data)
    rows = read_corrupted(manifest, "test", "D")
    assert rows is not None
    from_disk = whole(MultimodalData(rows, manifest, FRONTEND, ("D",)))
    computed = whole(data_of(manifest, scenarios=("D",)))
    assert from_disk.ids == computed.ids
    for modality in ("audio", "image"):
        assert torch.equal(from_disk.inputs[modality], computed.inputs[modality])
        assert not torch.equal(computed.inputs[modality], whole(data_of(manifest)).inputs[modality])


def test_a_scenario_on_disk_is_used_only_for_its_very_spec_and_seed(small_data: Path) -> None:
    manifest = manifest_of(small_data)
    assert read_corrupted(manifest, "test", "A") is None
    assert read_corrupted(manifest.model_copy(update={"seed": 1}), "test", "D") is None
    milder = Scenario.model_validate({"audio": {"any_of": ["gaussian_noise"], "severity": 1}})
    changed = manifest.model_copy(update={"scenarios": {**manifest.scenarios, "D": milder}})
    assert read_corrupted(changed, "test", "D") is None


def test_training_draws_scenarios_and_noise_afresh_each_epoch(small_data: Path) -> None:
    manifest = manifest_of(small_data)
    names = tuple(manifest.scenarios)
    first, again, second = (whole(data_of(manifest, "train", names, epoch)) for epoch in (1, 1, 2))
    assert torch.equal(first.inputs["audio"], again.inputs["audio"])
    assert not torch.equal(first.scenario, second.scenario)
    assert set(first.scenario.tolist()) == {0, 1, 2, 3}


def test_a_missing_modality_is_a_row_of_zeros_marked_absent(small_data: Path) -> None:
    manifest = manifest_of(small_data, M={"image": {"missing_rate": 0.5}})
    batch = whole(data_of(manifest, "train", ("M",)))
    gone = ~batch.present["image"]
    assert 0.2 < gone.float().mean() < 0.8
    assert batch.inputs["image"][gone].abs().sum() == 0
    assert (batch.inputs["image"][~gone].abs().sum(dim=(1, 2, 3)) > 0).all()
    assert batch.present["audio"].all()


def test_order_and_batches_do_not_depend_on_workers(small_data: Path) -> None:
    data = data_of(manifest_of(small_data), "train", ("D",), epoch=3)
    alone = list(data.batches(16, 5))
    shared = list(data.batches(16, 5, LoaderOptions(workers=2)))
    assert [batch.ids for batch in alone] == [batch.ids for batch in shared]
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one.inputs["audio"], other.inputs["audio"])
    assert [b.ids for b in data.batches(16, 6)] != [b.ids for b in alone]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_from_the_memory_map_equal_those_of_rows_in_memory(small_data: Path, workers: int) -> None:
    manifest = manifest_of(small_data)
    mapped = data_of(manifest, "train", ("C", "D"), epoch=2)
    held = replace(mapped, rows=replace(mapped.rows, samples=samples_in_memory(sorted(small_data.glob("C/train-*")))))
    pairs = zip(mapped.batches(16, 5, LoaderOptions(workers)), held.batches(16, 5), strict=True)
    for one, other in pairs:
        assert one.ids == other.ids
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.scenario, other.scenario)
        for modality in ("audio", "image"):
            assert torch.equal(one.inputs[modality], other.inputs[modality])


def test_a_fold_protocol_cuts_the_rows_anew(small_data: Path) -> None:
    from avbuild.scenarios.manifest import SplitSpec

    spec = SplitSpec.model_validate({"fold": {"test": 3, "validation": 1}})
    manifest = manifest_of(small_data).model_copy(update={"split": spec})
    assert {s.fold for s in read_rows(manifest, "test").samples} == {3}
    assert {s.fold for s in read_rows(manifest, "train").samples} == {2}
    assert shared_recordings(manifest) == []
    legacy = manifest.model_copy(update={"split": SplitSpec(protocol="random70")})
    assert shared_recordings(legacy) != []


def test_an_absent_data_set_names_the_command_that_makes_it(tmp_path: Path, small_data: Path) -> None:
    manifest = manifest_of(small_data).model_copy(update={"dataset": f"{tmp_path}/data/cifar10-av"})
    with pytest.raises(UserError, match=f"avbuild make cifar10-av --out {tmp_path}/data/"):
        read_rows(manifest, "train")


def test_a_fold_that_is_not_there_is_a_usage_error(small_data: Path) -> None:
    from avbuild.scenarios.manifest import SplitSpec

    manifest = manifest_of(small_data).model_copy(update={"split": SplitSpec.model_validate({"fold": {"test": 9}})})
    with pytest.raises(UsageError, match="no fold 9 in this data set; folds it has: 1, 2, 3"):
        read_rows(manifest, "train")
