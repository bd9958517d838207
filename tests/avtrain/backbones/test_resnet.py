"""The ResNet backbone: what it reads, absent rows that no statistic counts, frozen norms that stay."""

import copy
import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone, Reading
from avtrain.backbones.checkpointing import compile_blocks, recompute_blocks
from avtrain.backbones.registry import build_backbone
from avtrain.backbones.resnet import BatchNorm
from avtrain.data.batch import Batch
from avtrain.inference.export import export_program
from avtrain.inference.exportable import FeatureClassifier
from avtrain.methods.base import Method
from avtrain.methods.registry import build_method
from avtrain.runs.folder import Run
from avtrain.training.weight_averaging import WeightAverage, update_batch_norm

SMALL = {"image_size": 32, "audio_seconds": 0.5, "frames": 2}
ALL = ("audio", "image", "video")
CLASSES, SCENARIOS = 3, 2


def resnet(modalities: tuple[str, ...] = ("audio", "image"), **options: object) -> Backbone:
    """Always the same one."""
    return copy.deepcopy(_resnet(modalities, tuple(options.items())))


@functools.cache  # millions of weights take a while to draw
def _resnet(modalities: tuple[str, ...], options: tuple[tuple[str, object], ...]) -> Backbone:
    torch.manual_seed(0)
    return build_backbone("resnet", {**SMALL, **dict(options)}, None, modalities)


def batch_of(backbone: Backbone, n: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(n)
    shapes = backbone.frontend.shapes
    return Batch(
        inputs={m: torch.randn(n, *shapes[m], generator=generator) for m in backbone.modalities},
        present={m: torch.ones(n, dtype=torch.bool) for m in backbone.modalities},
        labels=torch.arange(n) % CLASSES,
        scenario=torch.arange(n) % SCENARIOS,
        ids=tuple(map(str, range(n))),
    )


def method_on(backbone: Backbone, name: str = "finetune", **options: object) -> Method:
    return build_method(name, options, backbone, CLASSES, SCENARIOS)


def without(batch: Batch, modality: str, rows: list[int]) -> Batch:
    """The batch with rows of a modality absent, and nonsense in their place."""
    there, inputs = batch.present[modality].clone(), batch.inputs[modality].clone()
    there[rows], inputs[rows] = False, 1e3
    return replace(batch, present={**batch.present, modality: there}, inputs={**batch.inputs, modality: inputs})


def statistics(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.named_buffers()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


# what it is


def test_the_tokens_are_the_last_feature_map() -> None:
    backbone = resnet(image_size=64).eval()
    sound, picture = (backbone.encoder(m) for m in ("audio", "image"))
    assert sound(torch.randn(2, 257, 188)).shape == (2, 9 * 6, 512)
    tokens = picture(torch.randn(2, 3, 64, 64))
    assert tokens.shape == (2, 4, 512)
    torch.testing.assert_close(picture.pool(tokens), tokens.sum(dim=1) / 4)
    # 11.18 M weights: torchvision's 11,689,512 without the 513,000 of its classifier
    assert sum(weight.numel() for weight in picture.parameters()) == 11_689_512 - 513_000


def test_convolutions_start_as_published() -> None:
    for name, weight in resnet().named_parameters():
        if weight.dim() == 4:
            expected = (2 / (weight.shape[0] * weight.shape[2] * weight.shape[3])) ** 0.5
            assert weight.std().item() == pytest.approx(expected, rel=0.05), name


def test_it_is_built_again_from_its_own_weights() -> None:
    backbone = resnet(ALL)
    batch = batch_of(backbone)
    backbone.train().encode(batch)
    again = build_backbone("resnet", SMALL, backbone.state_dict(), ALL)
    assert_same(dict(backbone.state_dict()), dict(again.state_dict()))
    counts = [value for name, value in again.state_dict().items() if name.endswith("num_batches_tracked")]
    assert counts
    assert all(count.item() == 1 and count.dtype == torch.int64 for count in counts)


def test_weights_go_through_a_file_with_their_counts(tmp_path: Path) -> None:
    backbone = resnet(("video",))
    backbone.train().encode(batch_of(backbone))
    run = Run(tmp_path)
    run.save_weights(backbone.state_dict())
    assert_same(dict(backbone.state_dict()), run.weights())


# rows that are absent


@pytest.mark.parametrize("gone", [[1], [0, 2], [0, 1, 2]])
@pytest.mark.parametrize("modality", ALL)
def test_absent_rows_have_no_influence_on_what_is_trained(modality: str, gone: list[int]) -> None:
    plain, missing = resnet((modality,)).train(), resnet((modality,)).train()
    batch = batch_of(plain)
    kept = [row for row in range(4) if row not in gone]
    alone = plain.encode(
        replace(
            batch,
            inputs={modality: batch.inputs[modality][kept]},
            present={modality: batch.present[modality][kept]},
        )
    )
    found = missing.encode(without(batch, modality, gone))
    assert torch.equal(found[modality][kept], alone[modality])
    assert found[modality][gone].eq(0).all()
    assert_same(statistics(plain), statistics(missing))


@pytest.mark.parametrize("modality", ALL)
def test_a_modality_that_a_whole_batch_lacks_moves_nothing(modality: str) -> None:
    other = "audio" if modality != "audio" else "image"
    backbone = resnet((modality, other))
    method, batch = method_on(backbone, mixup=0.0), without(batch_of(backbone), modality, [0, 1, 2, 3])
    before = statistics(backbone.encoder(modality))
    loss = method.train().training_step(batch, torch.optim.AdamW(method.parameter_groups(1e-3)))
    assert torch.isfinite(loss)
    assert_same(before, statistics(backbone.encoder(modality)))
    assert all(value.eq(1) for name, value in statistics(backbone.encoder(other)).items() if "num_batches" in name)
    read = backbone.eval().encode_frozen(batch, Reading(most=4))
    assert read[modality].shape == (4, *read[modality].shape[1:])
    assert read[modality].eq(0).all()


def test_a_batch_of_one_sample_is_trained_on() -> None:
    backbone = resnet(("image",))  # its last map is a single place
    method, batch = method_on(backbone), batch_of(backbone, 1)
    loss = method.train().training_step(batch, torch.optim.AdamW(method.parameter_groups(1e-3)))
    assert torch.isfinite(loss)
    assert all(value.isfinite().all() for value in backbone.state_dict().values())


def test_a_single_value_a_channel_is_normed_by_what_was_learned() -> None:
    norm, single = BatchNorm(3).train(), torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    norm(torch.randn(8, 3, 2, 2) * 2 + 1)
    before = statistics(norm)
    found = norm(single).flatten()
    mean, variance = before["running_mean"], before["running_var"]
    torch.testing.assert_close(found, (single.flatten() - mean) / (variance + 1e-5).sqrt())
    assert_same(before, statistics(norm))


# frozen, averaged, shared


@pytest.mark.parametrize("name", ["linear-probe", "prompt", "spiking"])
def test_frozen_norms_stay_and_predict_as_in_evaluation(name: str) -> None:
    backbone = resnet(("audio", "video"))
    backbone.train().encode(batch_of(backbone))  # away from where norms begin
    method = method_on(backbone, name)
    before, batch = dict(statistics(backbone)), without(batch_of(backbone), "video", [1])
    optimizer = torch.optim.AdamW(method.parameter_groups(1e-3))
    for _ in range(2):
        method.train().training_step(batch, optimizer)
    assert_same(before, statistics(backbone))
    in_training = backbone.encode(batch)
    assert_same(in_training, method.eval().backbone.encode(batch))


def test_what_is_not_frozen_trains_its_norms() -> None:
    method = method_on(resnet())
    assert all(norm.training for norm in method.train().modules() if isinstance(norm, BatchNorm))
    assert not any(norm.training for norm in method.eval().modules() if isinstance(norm, BatchNorm))


def test_averaged_weights_get_statistics_of_their_own() -> None:
    backbone = resnet(("image",), image_size=64)
    method, batches = method_on(backbone, mixup=0.0), [batch_of(backbone, n) for n in (3, 4)]
    average, optimizer = WeightAverage(), torch.optim.SGD(method.parameter_groups(0.05))
    for batch in batches:
        method.train().training_step(batch, optimizer)
        average.add(method)
    own = {name: value.clone() for name, value in method.state_dict().items()}
    with average.applied(method):
        update_batch_norm(method, batches)
        norm = backbone.get_submodule("image_encoder.layers.bn1")
        convolution = backbone.get_submodule("image_encoder.layers.conv1")
        maps = [convolution(batch.inputs["image"]).detach() for batch in batches]
        expected = torch.stack([x.mean(dim=(0, 2, 3)) for x in maps]).mean(dim=0)
        torch.testing.assert_close(norm.running_mean, expected, rtol=1e-4, atol=1e-5)
        variance = torch.stack([x.transpose(0, 1).flatten(1).var(dim=1) for x in maps]).mean(dim=0)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-4, atol=1e-5)
        assert norm.momentum == 0.1
    assert_same(own, dict(method.state_dict()))


def test_without_norms_that_train_no_batch_is_asked_for() -> None:
    def none_to_give():  # type: ignore[no-untyped-def]
        raise AssertionError
        yield

    update_batch_norm(method_on(resnet(), "linear-probe"), none_to_give())
    with pytest.raises(AssertionError):
        update_batch_norm(method_on(resnet()), none_to_give())


def test_its_rows_are_not_shared_out_and_those_of_others_are() -> None:
    assert not resnet().rows_independent
    assert build_backbone("tiny", {}).rows_independent


# what it cannot do


@pytest.mark.parametrize(
    ("name", "options", "who"),
    [
        ("lora", {}, "method lora"),
        ("adapter", {}, "method adapter"),
        ("map", {}, "method map"),
        ("prompt", {"depth": "input"}, "method prompt with depth=input"),
        ("prompt", {"depth": "deep"}, "method prompt with depth=deep"),
    ],
)
def test_what_needs_a_transformer_says_so(name: str, options: dict[str, object], who: str) -> None:
    message = f"^{who} needs a backbone of transformers; resnet has none: use dual, tiny or cav-mae$"
    with pytest.raises(UsageError, match=message):
        method_on(resnet(), name, **options)


def test_its_blocks_are_neither_computed_again_nor_compiled() -> None:
    with pytest.raises(UsageError, match=r"^checkpointing needs a backbone of transformers; resnet has none"):
        recompute_blocks(resnet())
    with pytest.raises(UsageError, match=r"^compile needs a backbone of transformers; resnet has none"):
        compile_blocks(resnet())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"spectrogram": "mel"}, "spectrogram: .*'ogm-ge' or 'fbank'"),
        ({"frames": 0}, "frames: .*greater than or equal to 1"),
        ({"size": 18}, "size: unknown option.*allowed: image_size, spectrogram, audio_seconds, frames"),
    ],
)
def test_a_wrong_option_is_explained(options: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        resnet(**options)


def test_it_is_exported_with_absent_modalities() -> None:
    method = method_on(resnet(("audio", "video")))
    batch = batch_of(method.backbone)
    method.backbone.train().encode(batch)
    program = export_program(FeatureClassifier(method)).module()
    for modality in method.backbone.modalities:
        lacking = without(batch_of(method.backbone, 3), modality, [0, 2])
        present = {f"{m}_present": there for m, there in lacking.present.items()}
        with torch.no_grad():
            expected = method.eval()(lacking).logits
        torch.testing.assert_close(program(**present, **lacking.inputs), expected, rtol=1e-4, atol=1e-5)
