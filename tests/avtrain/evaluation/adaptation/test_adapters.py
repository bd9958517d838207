"""The gradient-based adapters on small transformers: what they train, when they predict, seeds, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avbuild.errors import UsageError
from avtrain.backbones.cav_mae import CavMae, CavMaeConfig
from avtrain.backbones.tiny import Tiny, TinyConfig
from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource
from avtrain.evaluation.adaptation.brimpr import BriMPR
from avtrain.evaluation.adaptation.gradient import GradientAdapter
from avtrain.evaluation.adaptation.opinions import Opinions
from avtrain.evaluation.adaptation.read import Read, attention_weights
from avtrain.evaluation.adaptation.registry import ADAPTERS, build_adapter
from avtrain.evaluation.adaptation.source import SourceStatistics
from avtrain.evaluation.adaptation.tent import Tent
from avtrain.methods.base import Method
from avtrain.methods.registry import build_method
from tests.support.toys import toy_batch, toy_method

GRADIENT = [name for name, adapter in ADAPTERS.items() if issubclass(adapter, GradientAdapter)]
CONFIG = TinyConfig(width=16, heads=2, layers=2, image_size=16, audio_seconds=0.2)
CLASSES = 4
NOTHING = SourceStatistics({}, Opinions.alone(CLASSES))  # known of the training


def tiny(name: str, modalities: tuple[str, ...] = ("audio", "image"), **options: object) -> Method:
    torch.manual_seed(0)
    method = build_method(name, options, Tiny(CONFIG, None, modalities), CLASSES, 2)
    for weight in method.parameters():  # away from zeros, in which gradients vanish
        weight.data += 0.05 * torch.randn_like(weight)
    return method.eval()


def batch_for(method: Method, n: int = 8, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    shapes = {m: method.backbone.frontend.shapes[m] for m in method.backbone.modalities}
    present = {m: torch.ones(n, dtype=torch.bool) for m in shapes}
    present[next(iter(shapes))][0] = False
    return Batch(
        {m: torch.randn(n, *shape, generator=generator) for m, shape in shapes.items()},
        present, torch.full((n,), -1), torch.zeros(n, dtype=torch.int64), tuple(f"clip{i}" for i in range(n)),
    )  # fmt: skip


def adapter_for(name: str, method: Method) -> GradientAdapter:
    source = AdaptationSource(0, lambda: NOTHING, lambda: batch_for(method, 16, seed=9))
    found = build_adapter(name, method, source)
    assert isinstance(found, GradientAdapter)
    found.reset("a stream")
    return found


@pytest.mark.parametrize("name", [name for name in GRADIENT if name != "sumi"])  # nothing here is sure enough for it
@pytest.mark.parametrize("method_name", ["linear-probe", "finetune", "late-fusion", "prompt"])
def test_a_step_is_taken_on_the_chosen_weights_alone(name: str, method_name: str) -> None:
    method = tiny(method_name, **({"heads": 2} if method_name == "prompt" else {}))
    if method_name == "prompt":
        method.inference = "concat"
    adapter = adapter_for(name, method)
    chosen = {id(weight) for weight in adapter.weights}
    before = {key: value.clone() for key, value in method.named_parameters() if id(value) not in chosen}
    adapter(batch_for(method))
    moved = [not torch.equal(w, first) for w, first in zip(adapter.weights, adapter.initial, strict=True)]
    assert any(moved)
    if name in ("tent", "brimpr") and method_name != "prompt":
        assert all(moved)
    assert all(torch.equal(dict(method.named_parameters())[key], value) for key, value in before.items())
    adapter.reset("another")
    assert all(torch.equal(w, first) for w, first in zip(adapter.weights, adapter.initial, strict=True))


@pytest.mark.parametrize("name", GRADIENT)
def test_predictions_come_before_or_after_the_step(name: str) -> None:
    method = tiny("finetune")
    batch = batch_for(method)
    adapter = adapter_for(name, method)
    with torch.no_grad():
        first = adapter.forward(batch).logits
    found = adapter(batch).logits
    assert not found.requires_grad
    if name == "read":
        with torch.no_grad():
            assert torch.equal(found, adapter.forward(batch).logits)
        assert not torch.equal(found, first)
    elif ADAPTERS[name].predicts == "before":
        assert torch.allclose(found, first, atol=1e-6)


@pytest.mark.parametrize("name", GRADIENT)
def test_a_stream_is_the_same_again_and_the_global_generators_are_left_alone(name: str) -> None:
    method = tiny("finetune")
    adapter = adapter_for(name, method)
    batches = [batch_for(method, seed=seed) for seed in range(3)]
    torch.manual_seed(1)
    np.random.seed(1)  # the global generator is what is watched
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()
    first = [adapter(batch).logits for batch in batches]
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]
    adapter.reset("a stream")
    torch.manual_seed(2)
    assert all(torch.equal(adapter(batch).logits, logits) for batch, logits in zip(batches, first, strict=True))


@pytest.mark.parametrize("name", GRADIENT)
def test_a_missing_modality_has_no_influence(name: str) -> None:
    method = tiny("finetune")
    batch = batch_for(method)
    batch = replace(
        batch, present={"audio": torch.zeros(8, dtype=torch.bool), "image": torch.ones(8, dtype=torch.bool)}
    )
    other = replace(batch, inputs={**batch.inputs, "audio": torch.randn_like(batch.inputs["audio"])})
    adapter = adapter_for(name, method)
    first = [adapter(batch).logits for _ in range(2)]
    adapter.reset("a stream")
    for logits in first:
        assert torch.allclose(adapter(other).logits, logits, atol=1e-6)


@pytest.mark.parametrize("name", ["tent", "read", "sumi", "tsa"])
def test_video_is_adapted_too(name: str) -> None:
    method = tiny("finetune", ("audio", "video"))
    assert adapter_for(name, method)(batch_for(method)).logits.isfinite().all()


def test_read_takes_the_joint_block_then_the_fusion_then_the_last_attention() -> None:
    config = CavMaeConfig(size="tiny", layers=1, audio_frames=32, image_size=32)
    joint = build_method("finetune", {}, CavMae(config), CLASSES, 1)
    assert {id(w) for w in attention_weights(joint, "read")} == {
        id(w) for w in joint.backbone.blocks_u[0].attn.qkv.parameters()
    }
    prompt = tiny("prompt", heads=2)
    assert {id(w) for w in attention_weights(prompt, "read")} == {
        id(w) for m in prompt.fusion.values() for x in (m.query, m.key, m.value) for w in x.parameters()
    }
    plain = tiny("finetune")
    names = {name for name, w in plain.named_parameters() if any(w is found for found in attention_weights(plain, ""))}
    assert names == {
        *(f"backbone.audio_encoder.layers.1.self_attn.{n}" for n in
          ("q_proj.weight", "q_proj.bias", "k_proj.weight", "v_proj.weight", "v_proj.bias")),
        *(f"backbone.image_encoder.encoder.layer.1.attention.attention.{p}.{k}"
          for p in ("query", "key", "value") for k in ("weight", "bias")),
    }  # fmt: skip


def test_brimpr_prompts_reach_every_layer_and_leave_the_tokens_as_many() -> None:
    method = tiny("finetune")
    adapter = adapter_for("brimpr", method)
    assert isinstance(adapter, BriMPR)
    assert [tuple(weight.shape) for weight in adapter.weights] == [(10, 16)] * 4
    batch = batch_for(method)
    with torch.no_grad():
        counts = {m: x.shape for m, x in method.backbone.encode(batch).items()}
        with adapter.layers.active(batch.present):
            assert {m: x.shape for m, x in method.backbone.encode(batch).items()} == counts
        plain = method(batch).logits
        assert not torch.allclose(adapter.forward(batch).logits, plain)
        assert torch.equal(method(batch).logits, plain)  # hooks act inside the adapter alone


def test_tent_takes_the_batch_statistics_of_batch_norms_and_puts_theirs_back() -> None:
    from avtrain.backbones.resnet import ResNet, ResNetConfig

    torch.manual_seed(0)
    method = build_method("finetune", {}, ResNet(ResNetConfig(image_size=32, audio_seconds=0.5)), CLASSES, 1).eval()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    batch = batch_for(method)
    adapter = adapter_for("tent", method)
    with torch.no_grad():
        plain = method(batch).logits
    assert not torch.allclose(adapter(batch).logits, plain)
    adapter.reset("")
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    with torch.no_grad():
        assert torch.equal(method(batch).logits, plain)


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (Tent, "no LayerNorm or GroupNorm or BatchNorm1d or BatchNorm2d or BatchNorm3d"),
        (ADAPTERS["sumi"], "no LayerNorm with weights"),
        (Read, "neither method late-fusion nor backbone toy has attention"),
        (BriMPR, "backbone toy has an encoder without layers"),
    ],
)
def test_a_method_without_such_weights_is_one_error(
    adapter: type[GradientAdapter], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = toy_method("late-fusion", ("audio", "image", "text"))
    monkeypatch.setattr(type(method.backbone), "name", "toy", raising=False)
    source = AdaptationSource(0, lambda: NOTHING, toy_batch)
    with pytest.raises(UsageError, match=message):
        adapter(method, source)


def test_tsa_works_on_three_modalities_of_a_backbone_of_ones_own() -> None:
    method = toy_method("late-fusion", ("audio", "image", "text")).eval()
    adapter = build_adapter("tsa", method, AdaptationSource(0, lambda: NOTHING, toy_batch))
    batch = toy_batch(16, ("audio", "image", "text"))
    assert adapter(batch).logits.isfinite().all()
    assert adapter(batch.rows(slice(0, 1))).logits.shape == (1, 3)
