"""MMIN against its formulas: both reconstructions, their targets, and what it learns on data it can complete."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avtrain.data.batch import Batch
from avtrain.methods import mmin
from avtrain.methods.base import TrainingProgress
from avtrain.methods.mmin import MMIN
from tests.support.embedded import THREE, TWO
from tests.support.toys import toy_batch, toy_method, train

STUDENT = TrainingProgress(4, 4, 0, 1)
Array = NDArray[np.float64]


def imagining(modalities: tuple[str, ...] = THREE, **options: object) -> MMIN:
    method = toy_method("mmin", modalities, **options)
    assert isinstance(method, MMIN)
    method.progress = STUDENT
    return method.eval()


def weights_of(module: nn.Module) -> dict[str, Array]:
    return {name: p.detach().double().numpy() for name, p in module.named_parameters()}


def affine(w: dict[str, Array], name: str, x: Array) -> Array:
    found: Array = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
    return found


def mlp(w: dict[str, Array], name: str, x: Array) -> Array:
    hidden = np.maximum(affine(w, f"{name}0", x), 0)
    return affine(w, f"{name}6", np.maximum(affine(w, f"{name}3", hidden), 0))


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.01 * x)


def cascade(module: nn.Module, x: Array) -> tuple[Array, Array]:
    """Return the result and the latents of five residual autoencoders 256, 128, 64."""
    w, latents = weights_of(module), []
    for block in range(5):
        value = x
        for layer in (0, 2, 4):
            value = leaky(affine(w, f"blocks.{block}.encoder.{layer}", value))
        latents.append(value)
        for layer in (0, 2):
            value = leaky(affine(w, f"blocks.{block}.decoder.{layer}", value))
        x = x + affine(w, f"blocks.{block}.decoder.4", value)
    return affine(w, "transition.2", np.maximum(affine(w, "transition.0", x), 0)), np.concatenate(latents, axis=1)


def encoded(encoders: nn.Module, x: dict[str, Tensor], masks: dict[str, Tensor]) -> Array:
    w = weights_of(encoders)
    return np.concatenate(
        [mlp(w, f"parts.{m}.", (value * masks[m][:, None]).numpy()) for m, value in x.items()], axis=1
    )


def cross_entropy_of(z: Array, labels: Tensor) -> float:
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels.numpy()]).mean())


def some_missing(batch: Batch) -> Batch:
    text = torch.arange(len(batch)) % 3 != 0
    return replace(batch, present={**batch.present, "text": text}) if "text" in batch.present else batch


@pytest.mark.parametrize("modalities", [TWO, THREE])
def test_the_loss_is_classification_imagination_and_cycle(
    modalities: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, batch = imagining(modalities, imagination=3.0, cycle=0.7), some_missing(toy_batch(9, modalities))
    shown = {m: mask & (torch.arange(9) % 2 == i % 2) for i, (m, mask) in enumerate(batch.present.items())}
    monkeypatch.setattr(mmin, "draw_subsets", lambda *_, **__: shown)
    x = {m: value.detach() for m, value in method.embeddings(batch).items()}
    hidden = {m: mask & ~shown[m] for m, mask in batch.present.items()}

    h = encoded(method.encoders, x, shown)
    target = encoded(method.teacher["encoders"], x, hidden)
    imagined, latents = cascade(method.imagine, h)
    cycle, _ = cascade(method.imagine_back, imagined)
    known = np.repeat(np.stack([mask.numpy() for mask in batch.present.values()], axis=1), 128, axis=1)
    expected = cross_entropy_of(mlp(weights_of(method.classifier), "", latents), batch.labels)
    expected += 3.0 * ((imagined - target) ** 2)[known].mean() + 0.7 * ((cycle - h) ** 2).mean()
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_the_prediction_is_that_of_the_latents_of_what_is_there() -> None:
    method, batch = imagining(), some_missing(toy_batch(9, THREE))
    x = {m: value.detach() for m, value in method.embeddings(batch).items()}
    _, latents = cascade(method.imagine, encoded(method.encoders, x, batch.present))
    expected = mlp(weights_of(method.classifier), "", latents)
    np.testing.assert_allclose(method(batch).logits.detach().numpy(), expected, rtol=1e-6, atol=1e-9)


def test_the_teachers_loss_is_that_of_its_classifier() -> None:
    method, batch = imagining(), toy_batch(9, THREE)
    method.progress = TrainingProgress(1, 4, 0, 1)
    x = {m: value.detach() for m, value in method.embeddings(batch).items()}
    t = encoded(method.teacher["encoders"], x, batch.present)
    expected = cross_entropy_of(mlp(weights_of(method.teacher["classifier"]), "", t), batch.labels)
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_the_cycle_has_no_gradient_through_what_it_is_compared_with() -> None:
    method, batch = imagining(imagination=0.0, cycle=1.0), toy_batch(9, THREE)
    with torch.no_grad():
        for weight in method.imagine.parameters():
            weight.zero_()  # then h reaches the loss only by what the cycle is compared with
    method.loss(batch).backward()
    assert all(p.grad is None or not p.grad.any() for p in method.encoders.parameters())


@pytest.mark.parametrize(("shown", "complete"), [("all", True), ("as_released", False)])
def test_as_released_it_never_shows_a_complete_sample(
    shown: str, complete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    draw = mmin.draw_subsets

    def drawing(present: dict[str, Tensor], proper: bool) -> dict[str, Tensor]:
        found.append(draw(present, proper))
        return found[-1]

    monkeypatch.setattr(mmin, "draw_subsets", drawing)
    method = imagining(shown=shown)
    torch.manual_seed(0)
    method.loss(toy_batch(200, THREE))
    assert bool(torch.stack(list(found[0].values())).all(dim=0).any()) == complete


def test_it_imagines_what_follows_from_the_rest_and_finds_the_way_back() -> None:
    """The embedding of each modality is the same function of one hidden number, so nothing is lost by hiding one."""
    torch.manual_seed(0)
    batch = toy_batch(48, TWO)
    cause = torch.randn(48, 1, 1)
    directions = {m: torch.randn(1, 1, 4) for m in TWO}
    batch = replace(
        batch,
        inputs={m: (cause * d).expand(-1, 2, -1) for m, d in directions.items()},
        labels=(cause[:, 0, 0] > 0).long(),
    )
    method = imagining(TWO, dropout=0, teacher_share=0.2).float()
    method.begin_training([batch])
    method.train()
    torch.manual_seed(1)
    train(method, batch, torch.optim.AdamW(method.parameter_groups(3e-3)), steps=150)
    method.eval()
    gone = torch.zeros(48, dtype=torch.bool)
    with torch.no_grad():
        for lost in TWO:
            shown = {m: gone if m == lost else ~gone for m in TWO}
            hidden = {m: ~mask for m, mask in shown.items()}
            x = method.embeddings(batch)
            h = method.encoders({m: value * shown[m][:, None] for m, value in x.items()})
            target = method.teacher["encoders"]({m: value * hidden[m][:, None] for m, value in x.items()})
            imagined, _ = method.imagine(h)
            cycle, _ = method.imagine_back(imagined)
            for found, truth in ((imagined, target), (cycle, h)):
                unexplained = (found - truth).square().mean() / (truth - truth.mean(dim=0)).square().mean()
                assert unexplained < 0.1
            assert (method(replace(batch, present=shown)).logits.argmax(dim=1) == batch.labels).float().mean() > 0.9
