"""Every method with audio, images and texts of a data set, some of them missing: one step, and a prediction."""

from dataclasses import replace

import pytest
import torch

from avbuild.errors import UsageError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.backbones.registry import build_backbone
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.methods.base import Method
from avtrain.methods.registry import METHODS, build_method
from avtrain.training.optimizer import make_optimizer
from avtrain.training.options import fit_config
from tests.support.text_data import write_three
from tests.support.toys import train

ALL, CLASSES, SCENARIOS = ("audio", "image", "text"), 2, 3
SMALL = {
    "width": 24, "layers": 2, "heads": 2, "image_size": 16, "patch": 4, "audio_seconds": 0.25, "text_tokens": 16,
}  # fmt: skip
OPTIONS = {
    "prompt": {"heads": 2, "length": 3, "fusion_length": 2},
    "prompt deep": {"heads": 2, "length": 3, "fusion_length": 2, "depth": "deep"},
    "map": {"length": 3, "layers": 1},
    "map attention": {"kind": "attention", "length": 4, "layers": 2},
    "map released": {"start": "as_released"},
    "spiking": {"heads": 2, "steps": 2},
    "spiking trained": {"heads": 2, "steps": 2, "freeze": False},
}


VARIANTS = [*METHODS, *(name for name in OPTIONS if name not in METHODS)]  # a method, and a word for its options
THREE = [name for name in VARIANTS if METHODS[name.split()[0]].takes(3)]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Nine samples of a data set; one lacks its text, one its audio and image, one has its text alone."""
    folder = tmp_path_factory.mktemp("data")
    write_three(folder)
    manifest = load_manifest(str(folder / "manifest.yaml"))
    frontend = build_backbone("tiny", SMALL, None, ALL).frontend
    data = MultimodalData(read_rows(manifest, "train"), manifest, frontend, (next(iter(manifest.scenarios)),))
    found = next(iter(data.batches(9)))
    assert found.inputs["text"].dtype == torch.int64
    present = {m: there.clone() for m, there in found.present.items()}
    for row, missing in ((0, ("text",)), (1, ("audio", "image")), (2, ("audio",)), (3, ("audio", "text"))):
        for modality in missing:
            present[modality][row] = False
    inputs = {m: x.clone() for m, x in found.inputs.items()}
    for modality, there in present.items():
        inputs[modality][~there] = 0
    return replace(found, inputs=inputs, present=present, scenario=torch.arange(9) % SCENARIOS)


def build(name: str, modalities: tuple[str, ...] = ALL) -> Method:
    torch.manual_seed(0)
    backbone = build_backbone("tiny", SMALL, None, modalities)
    return build_method(name.split(maxsplit=1)[0], OPTIONS.get(name, {}), backbone, CLASSES, SCENARIOS)


@pytest.mark.parametrize("name", THREE)
def test_a_method_trains_and_predicts_with_three_modalities(name: str, batch: Batch) -> None:
    method = build(name)
    method.initialise()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    settings = fit_config({"method": name.split(maxsplit=1)[0], "backbone": "tiny"})
    method.eval().begin_training([batch])
    optimizer = make_optimizer(method, settings)
    losses = train(method.train(), batch, optimizer, steps=4)  # of which the first is a teacher's
    method.eval().end_epoch([batch])
    assert all(loss.isfinite() for loss in losses)
    assert all(value.isfinite().all() for value in method.state_dict().values())
    assert any(not torch.equal(value, before[key]) for key, value in method.state_dict().items())

    with torch.no_grad():
        for weight in method.parameters():  # away from maps that start at zero, so that every path matters
            weight.add_(torch.randn_like(weight) * 0.05)
        predicted = method.eval()(batch).logits
        assert predicted.shape == (9, CLASSES)
        assert predicted.isfinite().all()
        for modality, there in batch.present.items():
            absent = {**batch.inputs, modality: batch.inputs[modality].clone()}
            absent[modality][~there] = 7
            torch.testing.assert_close(method(replace(batch, inputs=absent)).logits, predicted)
            others = {**batch.present, modality: there & (torch.arange(9) < 4)}
            hidden = method(replace(batch, present=others)).logits
            assert not torch.allclose(hidden[4:], predicted[4:]), modality
            torch.testing.assert_close(hidden[:4], predicted[:4])


@pytest.mark.parametrize("name", [name for name in METHODS if not METHODS[name].takes(3)])
def test_a_method_for_two_says_so(name: str) -> None:
    assert METHODS[name].modalities_limit == (2, 2)
    with pytest.raises(
        UsageError, match=rf"method {name} needs 2 modalities, but these data have 3: audio, image, text"
    ):
        build(name)
    assert build(name, ("image", "text")).backbone.modalities == ("image", "text")


@pytest.mark.parametrize("name", [name for name in METHODS if not METHODS[name].takes(1)])
def test_a_method_for_several_refuses_one(name: str) -> None:
    with pytest.raises(UsageError, match=rf"method {name} needs (at least )?2 modalities, but these data have 1: text"):
        build(name, ("text",))


def test_most_methods_take_any_number() -> None:
    assert {"finetune", "linear-probe", "prompt", "map", "concat", "mla", "qmf", "lfm"} <= set(THREE)
