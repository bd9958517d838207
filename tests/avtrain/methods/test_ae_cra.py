"""AE and CRA: their losses against the formulas, what is hidden and reconstructed, and data with a known answer."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from avtrain.data.batch import Batch
from avtrain.methods import ae as module
from avtrain.methods.ae import AE
from avtrain.methods.base import TrainingProgress
from avtrain.methods.cra import CRA
from tests.support.embedded import THREE, TWO, begin, embedding_method, numbers, with_gaps
from tests.support.toys import CLASSES, WIDTH, toy_batch, toy_method, train

WEIGHTS = {"ae": 0.2, "cra": 0.8}


def fitted(name: str, modalities: tuple[str, ...] = THREE, **options: object) -> AE:
    method = embedding_method(name, modalities, with_gaps(toy_batch(48, modalities)), init="torch", **options)
    assert isinstance(method, AE)
    return method


def hide_third(present: dict[str, Tensor], rate: float) -> dict[str, Tensor]:
    """Hide a modality of a sample that has others, by its number."""
    left = {m: there.clone() for m, there in present.items()}
    for i in range(len(left["audio"])):
        m = list(left)[i % len(left)]
        if sum(bool(there[i]) for there in left.values()) > 1:
            left[m][i] = False
    return left


def row_loss(method: AE, x: dict[str, Tensor], shown: dict[str, Tensor], batch: Batch, i: int, weight: float) -> Tensor:
    """Return what sample i adds to the loss, without the mean of the cross-entropy."""
    h = torch.cat([method.encoders[m](x[m][i] * shown[m][i]) for m in x])
    if isinstance(method, CRA):
        assert isinstance(method.completion, nn.Module)
        blocks = list(method.completion.get_submodule("blocks").children())
        state = h
        for block in blocks:
            state = state + block(state)[0]
        first, _, second = method.completion.get_submodule("transition").children()
        completed = second(first(state).clamp(min=0))
    else:
        latent = method.completion.get_submodule("encoder")(h)
        completed = method.completion.get_submodule("decoder")(latent)
    error = h.new_zeros(())
    for m in x:
        if batch.present[m][i] and not shown[m][i]:
            error = error + (method.decoders[m](completed) - x[m][i]).square().sum() / WIDTH
    own = -method.classifier(completed).log_softmax(dim=0)[batch.labels[i]]
    return own / len(batch) + weight * error


@pytest.mark.parametrize("modalities", [TWO, THREE])
@pytest.mark.parametrize("name", ["ae", "cra"])
def test_the_loss_is_the_formula(name: str, modalities: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hide_modalities", hide_third)
    method, batch = fitted(name, modalities), with_gaps(toy_batch(14, modalities, seed=3))
    x, shown = numbers(method, batch), hide_third(batch.present, 0.5)
    assert any((batch.present[m] & ~shown[m]).any() for m in modalities)
    expected = torch.stack([row_loss(method, x, shown, batch, i, WEIGHTS[name]) for i in range(14)]).sum()
    torch.testing.assert_close(method.loss(batch).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["ae", "cra"])
def test_the_mean_does_not_grow_with_the_batch_as_the_sum_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hide_modalities", hide_third)
    batch = with_gaps(toy_batch(12, THREE, seed=3))
    found = {}
    for reduction in ("sum", "mean"):
        for weight in (0.0, 1.0):
            found[reduction, weight] = fitted(name, reduction=reduction, weight=weight).loss(batch)
    parts = {r: found[r, 1.0] - found[r, 0.0] for r in ("sum", "mean")}
    assert parts["mean"] > 0
    torch.testing.assert_close(parts["sum"], 12 * parts["mean"])


@pytest.mark.parametrize("name", ["ae", "cra"])
def test_with_nothing_hidden_it_is_the_cross_entropy(name: str) -> None:
    method, batch = fitted(name, hide=0), with_gaps(toy_batch(14, THREE, seed=3))
    expected = -method(batch).logits.log_softmax(dim=1)[torch.arange(14), batch.labels].mean()
    torch.testing.assert_close(method.loss(batch).double(), expected, rtol=1e-5, atol=1e-6)


def test_what_is_missing_from_the_data_is_no_target() -> None:
    method = fitted("ae", weight=100.0, hide=1)
    batch = with_gaps(toy_batch(40, THREE, seed=3))
    lonely = torch.stack([*batch.present.values()]).sum(dim=0) == 1  # of these nothing can be hidden
    rows = lonely.nonzero()[:, 0].tolist()
    assert rows
    single = [batch.rows(slice(i, i + 1)) for i in rows]
    for one in single:
        expected = -method(one).logits.log_softmax(dim=1)[0, one.labels[0]]
        torch.testing.assert_close(method.loss(one).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["ae", "cra"])
def test_a_trained_backbone_is_no_target_that_gives_way(name: str) -> None:
    method = toy_method(name, THREE, frozen=False, weight=1.0, dropout=0.0)
    assert isinstance(method, AE)
    batch = toy_batch(6, THREE)
    x = method.embeddings(batch)
    decoded = {m: torch.zeros_like(v, requires_grad=True) for m, v in x.items()}
    there = {m: torch.ones(6, dtype=torch.bool) for m in THREE}
    loss = module.reconstruction_loss(decoded, x, there, "mean")
    weights = list(method.backbone.parameters())
    assert all(g is None for g in torch.autograd.grad(loss, [*weights, *decoded.values()], allow_unused=True)[:-3])


@pytest.mark.parametrize("name", ["ae", "cra"])
def test_it_reconstructs_a_modality_that_another_one_determines(name: str) -> None:
    """Image and text are copies of audio: what is hidden is known, and a sample without them classifies as well."""
    torch.manual_seed(0)
    batch = toy_batch(96, THREE)
    centres = torch.randn(CLASSES, 4, dtype=torch.float64) * 3
    audio = centres[batch.labels][:, None] + 0.2 * batch.inputs["audio"]
    batch = replace(batch, inputs=dict.fromkeys(THREE, audio))
    method = toy_method(name, THREE, dropout=0.0, reduction="mean", weight=5.0)
    assert isinstance(method, AE)
    for m in THREE[1:]:
        method.backbone.encoder(m).load_state_dict(method.backbone.encoder("audio").state_dict())
    begin(method, batch)
    method.progress = TrainingProgress(1, 1, 0, 1)
    train(method.train(), batch, torch.optim.AdamW(method.parameter_groups(6e-3)), 120)
    method.eval()
    only = replace(batch, present={m: torch.full((96,), m == "audio") for m in THREE})
    with torch.no_grad():
        assert (method(only).logits.argmax(dim=1) == batch.labels).double().mean() > 0.95
        truth, completed = numbers(method, batch)["text"], method.complete(numbers(method, only))
        error = (method.decoders["text"](completed) - truth).square().mean()
    assert error < 0.2 * truth.square().mean()


def test_it_starts_as_released_where_nothing_else_is_asked_for() -> None:
    method, plain = toy_method("ae", THREE), toy_method("ae", THREE, init="torch")
    before = {key: value.clone() for key, value in plain.state_dict().items()}
    backbone = {key: value.clone() for key, value in method.backbone.state_dict().items()}
    for each in (method, plain):
        each.initialise()
    assert all(torch.equal(value, before[key]) for key, value in plain.state_dict().items())
    assert all(torch.equal(value, backbone[key]) for key, value in method.backbone.state_dict().items())
    weight = method.get_parameter("completion.encoder.0.weight")
    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not method.get_parameter("completion.encoder.0.bias").any()


def test_nothing_is_hidden_or_dropped_at_test() -> None:
    for name in ("ae", "cra"):
        method, batch = fitted(name), toy_batch(6, THREE)
        assert torch.equal(method(batch).logits, method(batch).logits)
