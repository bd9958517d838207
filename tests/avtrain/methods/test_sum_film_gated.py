"""Sum, FiLM and gating against their formulas, in double precision; what the probes of the last two may not do."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.base import Method
from tests.support.toys import CLASSES, toy_batch, toy_method

AUDIO = torch.tensor([True, True, False, True, False, True, True, True])
IMAGE = torch.tensor([True, False, True, True, True, True, False, True])
PAIRS = ["film", "gated"]


def with_gaps() -> Batch:
    return replace(toy_batch(), present={"audio": AUDIO, "image": IMAGE})


def affine(method: Method, name: str, x: Tensor) -> Tensor:
    return x @ method.get_parameter(f"{name}.weight").T + method.get_parameter(f"{name}.bias")


def hidden(method: Method, batch: Batch, modality: str) -> Tensor:
    return affine(method, f"backbone.{modality}_encoder.map", batch.inputs[modality]).mean(dim=1)


def fused(method: Method, acting: Tensor, acted_on: Tensor) -> Tensor:
    """What the papers write."""
    if method.name == "film":
        gamma, beta = affine(method, "film", acting).split(acted_on.shape[1], dim=1)
        return affine(method, "head", gamma * acted_on + beta)
    gate = 1 / (1 + torch.exp(-affine(method, "gate", acting)))
    return affine(method, "head", gate * affine(method, "value", acted_on))


def cost(scores: Tensor, labels: Tensor) -> Tensor:
    return -(scores - scores.logsumexp(dim=1, keepdim=True))[torch.arange(len(labels)), labels].mean()


def assert_same_gradients(method: Method, loss: Tensor, reference: Tensor) -> None:
    torch.testing.assert_close(loss.double(), reference, rtol=1e-6, atol=1e-6)
    names, weights = zip(*method.named_parameters(), strict=True)
    got = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    wanted = torch.autograd.grad(reference, weights, allow_unused=True, materialize_grads=True)
    for name, one, other in zip(names, got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7, msg=lambda text, name=name: f"{name}: {text}")
    assert all(gradient.abs().sum() > 0 for gradient in wanted)


@pytest.mark.parametrize("modalities", [("audio", "image"), ("audio", "image", "text")])
def test_sum_adds_the_scores_of_those_present(modalities: tuple[str, ...]) -> None:
    method, batch = toy_method("sum", modalities), toy_batch(modalities=modalities)
    batch = replace(batch, present={**batch.present, "audio": AUDIO, "image": IMAGE})
    prediction = method(batch)
    branches = {m: affine(method, f"heads.{m}", hidden(method, batch, m)) for m in modalities}
    expected = sum(z * batch.present[m][:, None] for m, z in branches.items())
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(prediction.logits, expected)
    assert set(prediction.per_modality) == set(modalities)
    for m, z in branches.items():
        torch.testing.assert_close(prediction.per_modality[m], z)
    assert_same_gradients(method, method.loss(batch), cost(expected, batch.labels))


@pytest.mark.parametrize("name", PAIRS)
def test_fused_where_both_are_there_else_by_the_probe_of_the_one_that_is(name: str) -> None:
    method, batch = toy_method(name), with_gaps()
    prediction = method(batch)
    h = {m: hidden(method, batch, m) for m in ("audio", "image")}
    probes = {m: affine(method, f"probes.{m}", x) for m, x in h.items()}
    both = AUDIO & IMAGE
    torch.testing.assert_close(prediction.logits[both], fused(method, h["audio"], h["image"])[both])
    torch.testing.assert_close(prediction.logits[AUDIO & ~IMAGE], probes["audio"][AUDIO & ~IMAGE])
    torch.testing.assert_close(prediction.logits[IMAGE & ~AUDIO], probes["image"][IMAGE & ~AUDIO])
    for m, z in probes.items():
        torch.testing.assert_close(prediction.per_modality[m], z)


@pytest.mark.parametrize("name", PAIRS)
def test_probes_learn_from_all_they_have_and_the_rest_as_if_there_were_none(name: str) -> None:
    method, batch = toy_method(name), with_gaps()
    h, both = {m: hidden(method, batch, m) for m in ("audio", "image")}, AUDIO & IMAGE
    reference = cost(fused(method, h["audio"], h["image"])[both], batch.labels[both])
    for m, x in h.items():
        there = batch.present[m]
        reference = reference + cost(affine(method, f"probes.{m}", x.detach())[there], batch.labels[there])
    assert_same_gradients(method, method.loss(batch), reference)


@pytest.mark.parametrize(("name", "option"), [("film", "condition"), ("gated", "gate")])
class TestWhichActs:
    def test_it_can_be_chosen(self, name: str, option: str) -> None:
        method, batch = toy_method(name, **{option: "image"}), toy_batch()
        h = {m: hidden(method, batch, m) for m in ("audio", "image")}
        torch.testing.assert_close(method(batch).logits, fused(method, h["image"], h["audio"]))

    @pytest.mark.parametrize(("modalities", "acting"), [(("image", "audio"), "audio"), (("image", "text"), "image")])
    def test_else_it_is_sound_or_the_first(
        self, name: str, option: str, modalities: tuple[str, str], acting: str
    ) -> None:
        method, batch = toy_method(name, modalities), toy_batch(modalities=modalities)
        (other,) = {*modalities} - {acting}
        expected = fused(method, hidden(method, batch, acting), hidden(method, batch, other))
        torch.testing.assert_close(method(batch).logits, expected)

    def test_one_that_is_not_there_is_refused(self, name: str, option: str) -> None:
        with pytest.raises(UsageError, match=f'method.{option} is "sound", but .* here are audio and image'):
            toy_method(name, **{option: "sound"})

    @pytest.mark.parametrize("modalities", [("audio",), ("audio", "image", "text")])
    def test_it_takes_two(self, name: str, option: str, modalities: tuple[str, ...]) -> None:
        with pytest.raises(
            UsageError, match=f"{name} needs 2 modalities, but these data have {len(modalities)}: audio"
        ):
            toy_method(name, modalities)


@pytest.mark.parametrize("name", ["sum", *PAIRS])
@pytest.mark.parametrize("gone", ["audio", "image"])
def test_a_batch_without_a_modality_is_an_ordinary_batch(name: str, gone: str) -> None:
    method, batch = toy_method(name), toy_batch()
    batch = replace(batch, present={**batch.present, gone: torch.zeros(len(batch), dtype=torch.bool)})
    assert method(batch).logits.shape == (len(batch), CLASSES)
    method.loss(batch).backward()
    for key, weight in method.named_parameters():
        assert weight.grad is None or weight.grad.isfinite().all(), key
    encoder = method.backbone.encoder(gone)
    assert not any(weight.grad.any() for weight in encoder.parameters() if weight.grad is not None)


@pytest.mark.parametrize("name", PAIRS)
def test_fusion_reads_both(name: str) -> None:
    method, batch = toy_method(name), toy_batch()
    before = method(batch).logits
    for m in ("audio", "image"):
        changed = replace(batch, inputs={**batch.inputs, m: batch.inputs[m] + 1})
        assert (method(changed).logits - before).abs().amin() > 1e-6
