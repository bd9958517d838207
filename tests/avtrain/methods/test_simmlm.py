"""SimMLM against its formulas: the gate, both losses, and the ranking between more and fewer modalities."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avtrain.data.batch import Batch
from avtrain.methods import simmlm
from avtrain.methods.simmlm import SimMLM, more_versus_fewer
from tests.support.toys import sgd, toy_batch, toy_method, train

TWO, THREE = ("audio", "image"), ("audio", "image", "text")


def mixture(modalities: tuple[str, ...] = THREE, **options: object) -> SimMLM:
    method = toy_method("simmlm", modalities, **options)
    assert isinstance(method, SimMLM)
    return method.eval()


def every_pattern(modalities: tuple[str, ...]) -> Batch:
    """A batch with one sample for each nonempty set of modalities."""
    patterns = [row for row in product([True, False], repeat=len(modalities)) if any(row)]
    present = {m: torch.tensor([row[i] for row in patterns]) for i, m in enumerate(modalities)}
    return replace(toy_batch(len(patterns), modalities), present=present)


def reference(method: SimMLM, batch: Batch, present: dict[str, torch.Tensor]) -> NDArray[np.float64]:
    """Logits by the formula, sample by sample."""
    weights = {name: p.detach().double().numpy() for name, p in method.named_parameters()}
    x = {m: value.detach().numpy() for m, value in method.embeddings(batch).items()}

    def mlp(name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
        for layer in (0, 3, 6):
            value = weights[f"{name}.{layer}.weight"] @ value + weights[f"{name}.{layer}.bias"]
            value = np.maximum(value, 0) if layer < 6 else value
        return value

    rows = []
    for i in range(len(batch)):
        there = [m for m in x if present[m][i]]
        scores = mlp("gate", np.concatenate([x[m][i] if m in there else np.zeros_like(x[m][i]) for m in x]))
        e = {m: np.exp(scores[list(x).index(m)]) for m in there}
        rows.append(sum(e[m] / sum(e.values()) * mlp(f"experts.{m}", x[m][i]) for m in there))
    return np.stack(rows)


def losses_of(logits: NDArray[np.float64], labels: torch.Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), labels.numpy()]
    return found


@pytest.mark.parametrize("modalities", [TWO, THREE])
def test_experts_of_the_modalities_present_are_mixed_by_the_gate(modalities: tuple[str, ...]) -> None:
    method, batch = mixture(modalities), every_pattern(modalities)
    np.testing.assert_allclose(
        method(batch).logits.detach().numpy(), reference(method, batch, batch.present), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("ranking", [0.0, 0.4, 1.0])
def test_the_loss_is_both_cross_entropies_and_their_ranking(ranking: float, monkeypatch: pytest.MonkeyPatch) -> None:
    method, batch = mixture(ranking=ranking), toy_batch(12, THREE)
    fewer = {m: torch.arange(12) % 3 == i for i, m in enumerate(THREE)}
    monkeypatch.setattr(simmlm, "draw_subsets", lambda *_, **__: fewer)
    more_loss = losses_of(reference(method, batch, batch.present), batch.labels)
    fewer_loss = losses_of(reference(method, batch, fewer), batch.labels)
    hinge = np.maximum(more_loss - fewer_loss, 0)
    assert 0 < (hinge > 0).sum() < 12  # both kinds of samples
    assert method.loss(batch).item() == pytest.approx((more_loss + fewer_loss + ranking * hinge).mean(), rel=1e-5)


def test_the_ranking_loss_is_that_of_samples_worse_with_more() -> None:
    more = torch.tensor([1.0, 2.0, 0.5], requires_grad=True)
    fewer = torch.tensor([2.0, 0.5, 0.5], requires_grad=True)
    loss = more_versus_fewer(more, fewer)
    assert loss.tolist() == [0.0, 1.5, 0.0]
    loss.sum().backward()
    assert more.grad is not None
    assert more.grad.tolist() == [0, 1, 0]
    assert fewer.grad is not None
    assert fewer.grad.tolist() == [0, -1, 0]


def test_a_sample_with_one_modality_has_no_ranking_loss() -> None:
    method, batch = mixture(), toy_batch(6, THREE)
    there = torch.ones(6, dtype=torch.bool)
    batch = replace(batch, present={"audio": there, "image": ~there, "text": ~there})
    own = losses_of(method.experts["audio"](method.embeddings(batch)["audio"]).detach().numpy(), batch.labels)
    assert method.loss(batch).item() == pytest.approx(2 * own.mean(), rel=1e-5)


@pytest.mark.parametrize("modalities", [TWO, THREE])
def test_a_prediction_does_not_depend_on_the_rest_of_the_batch(modalities: tuple[str, ...]) -> None:
    method, batch = mixture(modalities), every_pattern(modalities)
    whole = method(batch).logits
    for i in range(len(batch)):
        torch.testing.assert_close(method(batch.rows(slice(i, i + 1))).logits[0], whole[i])


def test_ranking_ends_with_fewer_samples_that_are_worse_with_more() -> None:
    """Text is noise: with it, an untrained gate predicts worse than without."""
    torch.manual_seed(0)
    batch = toy_batch(60, THREE)
    signal = torch.nn.functional.one_hot(batch.labels, 4).double()[:, None] * 2
    batch = replace(batch, inputs={m: x * (2.0 if m == "text" else 0.3) + signal * (m != "text") for m, x in
                                   batch.inputs.items()})  # fmt: skip
    worse = {}
    for ranking in (0.0, 1.0):
        method = mixture(ranking=ranking, dropout=0).train()
        torch.manual_seed(1)
        train(method, batch, sgd(method, lr=0.05), steps=60)
        without = {**batch.present, "text": torch.zeros(60, dtype=torch.bool)}
        losses = [
            losses_of(method(replace(batch, present=p)).logits.detach().numpy(), batch.labels)
            for p in (batch.present, without)
        ]
        worse[ranking] = np.maximum(losses[0] - losses[1], 0).mean()
    assert worse[1.0] < worse[0.0]
