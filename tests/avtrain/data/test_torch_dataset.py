"""avtrain.Dataset: samples equal to those on disk, in any worker, and an error for what cannot be."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from avbuild.errors import UsageError, UserError
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.spec import Scenario
from avtrain import Dataset
from tests.avtrain.data.test_dataset import manifest_of
from tests.support.commands import rows


def test_items_are_the_rows_that_corrupt_writes(small_data: Path) -> None:
    data = Dataset(small_data / "manifest.yaml", split="test", scenario="D")
    stored = rows(small_data, "D")
    assert len(data) == len(stored) > 0
    for item, row in zip((data[index] for index in range(len(data))), stored, strict=True):
        for modality in ("audio", "image"):
            expected = MODALITIES[modality].decode([row[modality]["bytes"]])
            np.testing.assert_array_equal(item[modality].numpy(), expected)
            assert item[modality].numpy().dtype == expected.dtype
            assert item[f"{modality}_missing"] is False
        assert item["corruption"] == json.loads(row["corruption"])
        assert {key: item[key] for key in ("id", "label", "group", "fold")} == {
            key: row[key] for key in ("id", "label", "group", "fold")
        }


def test_a_folder_and_a_manifest_object_are_the_same_as_the_file(small_data: Path) -> None:
    sources = (small_data, str(small_data), load_manifest(small_data / "manifest.yaml"))
    first = Dataset(small_data / "manifest.yaml", "test", "A")[0]
    for source in sources:
        assert torch.equal(Dataset(source, "test", "A")[0]["audio"], first["audio"])
    assert Dataset(small_data, "test").scenario == "C"
    assert Dataset(small_data, "test")[0]["corruption"] == {}


def test_epochs_draw_afresh_also_in_running_workers(small_data: Path) -> None:
    data = Dataset(small_data, "test", "D")
    loader = DataLoader(data, 8, num_workers=2, persistent_workers=True, collate_fn=data.collate)

    def heard() -> list[torch.Tensor]:
        return [batch["audio"] for batch in loader]

    written = heard()
    data.set_epoch(1)
    first = heard()
    data.set_epoch(2)
    second = heard()
    data.set_epoch(1)
    for one, again in zip(first, heard(), strict=True):
        assert torch.equal(one, again)
    assert not torch.equal(written[0], first[0])
    assert not torch.equal(first[0], second[0])
    alone = [data.collate([data[row] for row in range(start, min(start + 8, len(data)))]) for start in (0, 8)]
    assert torch.equal(alone[1]["audio"], first[1])


def test_a_pickled_copy_is_the_same_and_stands_alone(small_data: Path) -> None:
    data = Dataset(small_data, "test", "D")
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy[3]["image"], data[3]["image"])
    other = data.under("A")
    other.set_epoch(4)
    assert (data.epoch, other.epoch, other.scenario) == (0, 4, "A")
    assert torch.equal(data.under("C")[0]["image"], Dataset(small_data, "test")[0]["image"])


@pytest.mark.parametrize("fill", ["null", "zeros"])
def test_missing_modalities(small_data: Path, fill: str) -> None:
    plan: dict[str, object] = {"image": {"missing_rate": 0.5, "fill": fill}}
    data = Dataset(manifest_of(small_data, M=plan, G={"image": "missing"}), "test", "M")
    items = [data[index] for index in range(len(data))]
    gone = [item["image_missing"] for item in items]
    assert 0 < sum(gone) < len(gone)
    assert [item["image"] is None for item in items] == (gone if fill == "null" else [False] * len(gone))
    batch = data.collate(items)
    assert batch["image_missing"].tolist() == gone
    assert batch["image_present"].tolist() == [item["image"] is not None for item in items]
    assert batch["image"][torch.tensor(gone)].sum() == 0
    assert batch["image"].shape == (len(items), 24, 32, 3)
    assert batch["audio_present"].all()
    alone = data.under("G").collate([data.under("G")[0]])  # no sample of the batch has an image
    assert (alone["image"].shape, alone["image"].dtype) == ((1, 24, 32, 3), torch.uint8)


def test_clips_of_other_lengths_are_filled_up(small_data: Path) -> None:
    data = Dataset(small_data, "test")
    items = [{**data[0], "audio": data[0]["audio"][:100]}, data[1], {**data[2], "audio": None}]
    batch = data.collate(items)
    assert batch["audio_length"].tolist() == [100, len(data[1]["audio"]), 0]
    assert torch.equal(batch["audio"][0, :100], items[0]["audio"])
    assert batch["audio"][0, 100:].abs().sum() == batch["audio"][2].abs().sum() == 0
    assert batch["audio"].shape == (3, len(data[1]["audio"]))
    assert batch["id"] == [item["id"] for item in items]
    assert batch["label"].tolist() == [item["label"] for item in items]


def test_transforms_of_a_modality_and_of_an_item(small_data: Path) -> None:
    manifest = manifest_of(small_data, M={"image": {"missing_rate": 0.5}})
    by_modality = Dataset(manifest, "test", "M", {"image": lambda image: image.permute(2, 0, 1) / 255})
    batch = by_modality.collate([by_modality[index] for index in range(len(by_modality))])
    assert batch["image"].shape[1:] == (3, 24, 32)
    assert batch["image"].dtype == torch.float32

    def noted(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "loud": float(item["audio"].abs().max()), "vector": torch.ones(2)}

    whole = Dataset(manifest, "test", "C", noted)
    batch = whole.collate([whole[0], whole[1]])
    assert batch["loud"].shape == (2,)
    assert batch["vector"].shape == (2, 2)
    odd = Dataset(manifest, "test", "C", {"image": lambda image: image[: 1 + int(image[0, 0, 0]) % 20]})
    with pytest.raises(UsageError, match=r'image: shapes .* in one batch; .* transform=\{"image": ...\}'):
        odd.collate([odd[index] for index in range(8)])


def test_the_split_of_the_manifest_is_used(small_data: Path) -> None:
    written = load_manifest(small_data / "manifest.yaml").as_yaml() | {"split": {"fold": {"test": 3, "validation": 1}}}
    manifest = type(load_manifest(small_data / "manifest.yaml")).model_validate(written)
    assert {item["fold"] for item in map(Dataset(manifest, "test").__getitem__, range(5))} == {3}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"split": "tests"}, 'no split "tests"; did you mean "test"'),
        ({"split": None}, 'no split "None"; allowed: train, validation, test'),
        ({"scenario": "d"}, 'no scenario "d" in manifest urbansound8k-av; it has C, A, V, D'),
        ({"scenario": 1}, 'no scenario "1"'),
        ({"source": 3}, "3 is no manifest; give the path of a manifest"),
        ({"source": "nowhere.yaml"}, "nowhere.yaml: no such manifest"),
        ({"source": "nowhere"}, "nowhere/manifest.yaml: no such manifest"),
        ({"transform": 3}, "transform: 3; give a function of an item"),
        ({"transform": {"images": abs}}, "transform: no modality images; did you mean"),
        ({"transform": {"image": 3}}, "transform: image is not a function"),
    ],
)
def test_what_cannot_be_opened_is_explained(small_data: Path, arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        Dataset(**({"source": small_data, "split": "test"} | arguments))


@pytest.mark.parametrize("epoch", [-1, 1.0, True, "1"])
def test_an_epoch_is_a_whole_number(small_data: Path, epoch: Any) -> None:
    with pytest.raises(UsageError, match="give a whole number from 0"):
        Dataset(small_data, "test").set_epoch(epoch)


def test_a_scenario_on_features_is_refused(small_data: Path) -> None:
    poster = Scenario.model_validate({"preset": "poster-A"})
    manifest = load_manifest(small_data / "manifest.yaml").model_copy(update={"scenarios": {"P": poster}})
    with pytest.raises(UsageError, match="scenario P of manifest urbansound8k-av: feature_gaussian_noise acts on what"):
        Dataset(manifest, "test", "P")
