"""lora, map's attention-level kind and spiking: their formulas in float64, and what is trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.backbones import vit as vision
from avtrain.backbones import whisper as audio
from avtrain.backbones.registry import build_backbone
from avtrain.methods.base import Method
from avtrain.methods.registry import build_method, merged_weights
from avtrain.methods.spiking.blocks import Neurons, SpikingAttention
from tests.avtrain.methods.test_all_methods import CLASSES, SCENARIOS, SMALL, batch_of, build

TWO_LAYERS = {**SMALL, "layers": 2}
WIDTH = SMALL["width"]


def double(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().double().numpy()


def record(part: nn.Module, name: str, seen: dict[str, tuple[Tensor, Tensor]]) -> None:
    """Keep the first input and the output of a module's next calls."""
    part.register_forward_hook(lambda _, inputs, output: seen.update({name: (inputs[0], output)}))


def lora(layers: int = 2, **options: object) -> Method:
    torch.manual_seed(0)
    return build_method("lora", options, build_backbone("tiny", {**SMALL, "layers": layers}), CLASSES, SCENARIOS)


def shake(method: Method) -> None:
    """Away from zero-initialised weights."""
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)


@pytest.mark.parametrize(
    "place", ["image_encoder.encoder.layer.1.attention.attention.value", "audio_encoder.layers.0.self_attn.k_proj"]
)
def test_lora_adds_its_scaled_product_to_a_projection(place: str) -> None:
    method = lora(rank=3, alpha=5)
    shake(method)
    part, x = method.backbone.get_submodule(place), torch.randn(4, WIDTH)
    weights = {name: double(p) for name, p in part.named_parameters()}
    w, a, b = (weights[f"{name}.weight"] for name in ("base_layer", "lora_A.default", "lora_B.default"))
    expected = double(x) @ w.T + 5 / 3 * double(x) @ a.T @ b.T + weights.get("base_layer.bias", 0.0)
    np.testing.assert_allclose(double(part(x)), expected, rtol=1e-4, atol=1e-5)


def test_lora_starts_from_the_backbones_own_output() -> None:
    torch.manual_seed(0)
    plain, batch = build_backbone("tiny", TWO_LAYERS), batch_of(4)
    for modality, tokens in lora().backbone.encode(batch).items():
        assert torch.equal(tokens, plain.encode(batch)[modality])


@pytest.mark.parametrize(("rank", "layers"), [(1, 2), (4, 3)])  # the library shortens lists of 20 names or more
def test_lora_trains_its_updates_and_the_head_alone(rank: int, layers: int) -> None:
    method = lora(layers, rank=rank)
    trained = {name: p.numel() for name, p in method.named_parameters() if p.requires_grad}
    updates = {name: size for name, size in trained.items() if ".lora_" in name}
    head = {f"head.{name}" for name, _ in method.get_submodule("head").named_parameters()}
    assert trained.keys() - updates.keys() == head
    # two encoders, four projections a layer of D by D, each an A [r, D] and a B [D, r]
    assert sum(updates.values()) == 2 * layers * 4 * 2 * rank * WIDTH
    assert all("attention" in name or "self_attn" in name for name in updates)
    method.loss(batch_of(4)).backward()
    assert all(p.grad.abs().sum() > 0 for name, p in method.named_parameters() if ".lora_B." in name)


def test_lora_drops_out_in_training_alone() -> None:
    method, batch = lora(dropout=0.5), batch_of(4)
    shake(method)
    assert not torch.equal(method.train()(batch).logits, method(batch).logits)
    assert torch.equal(method.eval()(batch).logits, method(batch).logits)


def test_merged_the_backbone_does_what_it_did_with_lora() -> None:
    method, batch = lora(rank=2, alpha=7), batch_of(4)
    shake(method)
    merged = merged_weights("lora", {"rank": 2, "alpha": 7}, method.state_dict())
    own = {key.removeprefix("backbone."): value for key, value in merged.items() if key.startswith("backbone.")}
    backbone = build_backbone("tiny", TWO_LAYERS, own)  # refuses any key that is not its own
    for modality, tokens in method.backbone.encode(batch).items():
        torch.testing.assert_close(backbone.encode(batch)[modality], tokens, rtol=1e-4, atol=1e-5)
    assert {key for key in merged if not key.startswith("backbone.")} == {
        f"head.{key}" for key in method.get_submodule("head").state_dict()
    }


@pytest.mark.parametrize("name", ["map", "adapter"])
def test_a_method_that_changes_no_weight_of_the_backbone_has_nothing_to_merge(name: str) -> None:
    weights = build(name).state_dict()
    assert merged_weights(name, {}, weights) == weights


def softmax_attention(
    query: NDArray[np.float64], key: NDArray[np.float64], value: NDArray[np.float64], heads: int
) -> NDArray[np.float64]:
    """[N, D], [M, D], [M, D] to [N, D], one head after the other."""
    parts = []
    for q, k, v in zip(*(np.split(x, heads, axis=1) for x in (query, key, value)), strict=True):
        weights = np.exp(q @ k.T / np.sqrt(q.shape[1]))
        parts.append(weights / weights.sum(axis=1, keepdims=True) @ v)
    return np.concatenate(parts, axis=1)


def project(part: nn.Module, x: NDArray[np.float64]) -> NDArray[np.float64]:
    assert isinstance(part, nn.Linear)
    return x @ double(part.weight).T + (0.0 if part.bias is None else double(part.bias))


def parts_of(attention: nn.Module) -> list[nn.Module]:
    """Projections to queries, keys, values, and of the result."""
    if isinstance(attention, audio.SelfAttention):
        return [attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj]
    assert isinstance(attention, vision.SelfAttention)
    return [*(attention.attention[name] for name in ("query", "key", "value")), attention.output["dense"]]


@pytest.mark.parametrize("kind", [vision.SelfAttention, audio.SelfAttention])
@pytest.mark.parametrize("length", [0, 1, 3])
def test_attention_takes_extra_keys_and_values_as_they_are(
    kind: type[vision.SelfAttention] | type[audio.SelfAttention], length: int
) -> None:
    torch.manual_seed(1)
    attention, tokens = kind(width=12, heads=3), torch.randn(2, 5, 12)
    prompts = torch.randn(2, length, 12) * 3, torch.randn(2, length, 12) * 3
    got = attention(tokens, prompts)
    assert got.shape == tokens.shape
    q, k, v, o = parts_of(attention)
    for index in range(2):
        x = double(tokens[index])
        keys, values = (
            np.concatenate([double(extra[index]), project(part, x)])
            for extra, part in zip(prompts, (k, v), strict=True)
        )
        expected = project(o, softmax_attention(project(q, x), keys, values, heads=3))
        np.testing.assert_allclose(double(got[index]), expected, rtol=1e-4, atol=1e-5)
    if length == 0:
        torch.testing.assert_close(got, attention(tokens))


@pytest.mark.parametrize("modality", ["audio", "image"])
def test_one_half_of_the_missing_aware_prompts_are_keys_the_other_values(modality: str) -> None:
    torch.manual_seed(0)
    options = {"kind": "attention", "length": 4, "layers": 1}
    method = build_method("map", options, build_backbone("tiny", TWO_LAYERS), CLASSES, SCENARIOS)
    shake(method)
    batch = batch_of(3)
    there = torch.tensor([True, False, True])
    batch = replace(batch, present={**batch.present, "audio": there})
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    encoder = method.backbone.encoder(modality)
    attentions = [p for p in encoder.modules() if isinstance(p, (vision.SelfAttention, audio.SelfAttention))]
    for layer, part in enumerate(attentions):
        record(part, str(layer), seen)
    method(batch)
    sets = double(dict(method.named_parameters())[f"prompts.{modality}"])  # [patterns, layers, P, D]
    (tokens, got), (later_tokens, later_got) = seen["0"], seen["1"]
    assert tokens.shape == got.shape == later_tokens.shape  # no prompts among the tokens
    for index, pattern in enumerate((3, 2, 3)):  # bit 0: the sound is there; bit 1: the picture
        for x, y, prompts in (
            (double(tokens[index]), double(got[index]), sets[pattern, 0]),
            (double(later_tokens[index]), double(later_got[index]), np.empty((0, WIDTH))),  # behind the first layers
        ):
            q, k, v, o = parts_of(attentions[0] if len(prompts) else attentions[1])
            half = len(prompts) // 2
            keys, values = (
                np.concatenate([prompts[:half], project(k, x)]),
                np.concatenate([prompts[half:], project(v, x)]),
            )
            expected = project(o, softmax_attention(project(q, x), keys, values, heads=2))
            np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "length", "halves"), [("input", 16, [0]), ("attention", 16, [0, 8])])
def test_missing_aware_prompts_start_as_released(kind: str, length: int, halves: list[int]) -> None:
    options = {"kind": kind, "length": length, "layers": 2, "start": "as_released"}
    method = build_method("map", options, build_backbone("tiny", TWO_LAYERS), CLASSES, SCENARIOS)
    ones = {3: 0, 1: 1, 2: 2}  # complete; without the image; without the audio, in the place of the text
    for modality in ("audio", "image"):
        sets = dict(method.named_parameters())[f"prompts.{modality}"]
        expected = torch.zeros(4, 2, length, WIDTH)
        for pattern, row in ones.items():
            expected[pattern, :, [row + half for half in halves]] = 1.0
        assert torch.equal(sets, expected)
        assert sets.requires_grad
    few = {**options, "kind": "attention", "length": 4}
    with pytest.raises(UsageError, match=r"method.length is 4, .* 3 patterns in keys and in values: .* at least 6"):
        build_method("map", few, build_backbone("tiny", SMALL), CLASSES, SCENARIOS)


def test_an_odd_number_of_prompts_cannot_be_halved() -> None:
    with pytest.raises(UsageError, match=r"method\.length is 3, but kind=attention .* choose an even length"):
        build_method("map", {"kind": "attention", "length": 3}, build_backbone("tiny", SMALL), CLASSES, SCENARIOS)
    with pytest.raises(UsageError, match="kind: input should be 'input' or 'attention', not 'inside'"):
        build_method("map", {"kind": "inside"}, build_backbone("tiny", SMALL), CLASSES, SCENARIOS)


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_neurons_leak_fire_and_are_reset_by_subtraction(decay: float) -> None:
    currents = torch.randn(7, 3, 5, generator=torch.Generator().manual_seed(2)) * 2
    expected, potential = [], np.zeros((3, 5))
    for current in double(currents):
        potential = decay * potential + current - (potential > 1)
        expected.append((potential > 1).astype(float))
    got = Neurons(decay)(currents)
    assert 0 < np.mean(expected) < 1
    assert double(got).tolist() == np.stack(expected).tolist()


def test_spikes_are_zeros_and_ones_and_are_all_that_linear_maps_read() -> None:
    method, batch = build("spiking"), batch_of(4)
    read: dict[str, tuple[Tensor, Tensor]] = {}
    fired: dict[str, tuple[Tensor, Tensor]] = {}
    for name, part in method.named_modules():
        if isinstance(part, nn.Linear) and name.startswith(("encoders.", "fusion.")):
            record(part, name, read)
        elif isinstance(part, Neurons):
            record(part, name, fired)
    method(batch)
    assert (len(read), len(fired)) == (2 * 2 * 6, 2 * 2 * 7 + 2)  # two modalities, two blocks each, and the readout
    for name, spikes in [(name, x) for name, (x, _) in read.items()] + [(name, y) for name, (_, y) in fired.items()]:
        assert set(spikes.unique().tolist()) == {0.0, 1.0}, name
        assert 0.01 < spikes.mean() < 0.99, name


def test_spiking_attention_is_a_product_of_spikes_without_softmax() -> None:
    torch.manual_seed(0)
    attention = SpikingAttention(width=12, heads=3, decay=0.5)
    spikes, context = (torch.randint(0, 2, (2, 4, n, 12)).float() for n in (5, 6))
    visible = torch.rand(4, 6) > 0.4
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    for name, part in attention.named_children():
        record(part, name, seen)
    attention(spikes, context, visible)
    product = double(seen["fire"][0])
    for step in range(2):
        for sample in range(4):
            q, k, v = (np.split(double(seen[name][1][step, sample]), 3, axis=1) for name in ("query", "key", "value"))
            rows = visible[sample].numpy()
            heads = [qh @ kh[rows].T @ vh[rows] / np.sqrt(4) for qh, kh, vh in zip(q, k, v, strict=True)]
            np.testing.assert_allclose(product[step, sample], np.concatenate(heads, axis=1), rtol=1e-5)
    assert product.any()


@pytest.mark.parametrize("name", ["spiking", "spiking trained"])
def test_a_gradient_passes_the_spikes_to_every_weight(name: str) -> None:
    method = build(name)
    method.loss(batch_of(8)).backward()
    unused = [key for key, p in method.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0]
    assert unused == []


def test_no_potential_is_left_from_one_batch_to_the_next() -> None:
    method = build("spiking")
    first = method(batch_of(4)).logits
    method(batch_of(4, seed=9))
    assert torch.equal(method(batch_of(4)).logits, first)
    assert {part.neuron.mem.numel() for part in method.modules() if isinstance(part, Neurons)} == {0}


def test_spiking_reads_cached_tokens_of_a_frozen_backbone() -> None:
    method, batch = build("spiking"), batch_of(4)
    cached = replace(batch, inputs={}, tokens=method.backbone.frozen_tokens(batch, method.reading))
    assert torch.equal(method(cached).logits, method(batch).logits)


def test_a_backbone_that_spiking_trains_has_a_lower_rate() -> None:
    spiking, backbone = build("spiking trained").parameter_groups(1e-3)
    assert backbone["lr"] == pytest.approx(0.1 * spiking["lr"])
    assert {id(p) for p in backbone["params"]}.isdisjoint({id(p) for p in spiking["params"]})


def test_spiking_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match=r"method\.heads is 7, but must divide"):
        build_method("spiking", {"heads": 7}, build_backbone("tiny", SMALL), CLASSES, SCENARIOS)
