"""LFM against its formulas: the contrastive loss, its weight over the epochs, pairs that both are there."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.lfm import LFM, contrastive_loss, divergence
from tests.support.toys import sgd, toy_batch, toy_method

TWO, THREE = ("audio", "image"), ("audio", "image", "text")


def lfm(modalities: tuple[str, ...] = TWO, epoch: int = 1, **options: object) -> LFM:
    method = toy_method("lfm", modalities, **options)
    assert isinstance(method, LFM)
    method.progress = TrainingProgress(epoch, 10, 0, 1)
    return method.train()


def features(n: int, seed: int = 0, width: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, n, width, generator=generator, dtype=torch.float64)
    return a, b


def contrast(a: Tensor, b: Tensor, temperature: float) -> float:
    """Row by row, by the formula."""
    a, b = a.detach(), b.detach()
    rows, total = range(len(a)), 0.0
    s = [[float(a[i] @ b[j] / (a[i].norm() * b[j].norm()) / temperature) for j in rows] for i in rows]
    for i in rows:
        total -= math.log(math.exp(s[i][i]) / sum(math.exp(s[i][j]) for j in rows))
        total -= math.log(math.exp(s[i][i]) / sum(math.exp(s[j][i]) for j in rows))
    return total / 2 / len(a)


def label_loss(logits: Tensor, batch: Batch, there: Tensor) -> Tensor:
    return -logits.log_softmax(dim=1)[torch.arange(len(batch)), batch.labels][there].mean()


@given(st.integers(2, 7), st.sampled_from([0.07, 0.5, 1.0]), st.integers(0, 1000))
def test_the_contrastive_loss_is_its_formula(n: int, temperature: float, seed: int) -> None:
    a, b = features(n, seed)
    assert contrastive_loss(a, b, temperature).item() == pytest.approx(contrast(a, b, temperature), rel=1e-9)


@given(st.permutations(range(6)), st.integers(0, 1000))
def test_it_knows_no_first_modality_no_order_and_no_length(order: list[int], seed: int) -> None:
    a, b = features(6, seed)
    loss = contrastive_loss(a, b, 0.07)
    lengths = torch.arange(1, 7, dtype=torch.float64)[:, None]
    torch.testing.assert_close(contrastive_loss(b, a, 0.07), loss)
    torch.testing.assert_close(contrastive_loss(a[order], b[order], 0.07), loss)
    torch.testing.assert_close(contrastive_loss(a * lengths, b / lengths, 0.07), loss)


def test_it_falls_as_pairs_find_each_other() -> None:
    a, b = features(6)
    losses = [contrastive_loss(a, a + apart * b, 0.07) for apart in (3.0, 1.0, 0.3, 0.0)]
    assert losses == sorted(losses, reverse=True)
    shuffled = contrastive_loss(a, a.roll(1, dims=0), 0.07)
    assert shuffled > losses[0]


@pytest.mark.parametrize("n", [0, 1])
def test_without_another_to_compare_with_it_is_zero(n: int) -> None:
    a, b = (x.requires_grad_() for x in features(n))
    loss = contrastive_loss(a, b, 0.07)
    loss.backward()
    assert loss == 0
    assert a.grad is not None
    assert not a.grad.any()


def test_its_gradient_is_right() -> None:
    a, b = (x.requires_grad_() for x in features(4))
    assert torch.autograd.gradcheck(lambda x, y: contrastive_loss(x, y, 0.3), (a, b))
    assert torch.autograd.gradcheck(divergence, (a, b))


def test_it_keeps_its_precision_under_autocast() -> None:
    a, b = (x.float() for x in features(6, width=64))
    with torch.autocast("cpu", torch.bfloat16):
        inside = contrastive_loss(a, b, 0.07)
    assert torch.equal(inside, contrastive_loss(a, b, 0.07))


@given(st.integers(1, 7), st.integers(0, 1000))
def test_the_released_divergence_has_its_arguments_the_other_way_round(n: int, seed: int) -> None:
    a, b = features(n, seed)
    p, q = a.softmax(dim=1), b.softmax(dim=1)
    r = (p + q) / 2
    wanted = ((r * (r / p).log()).sum() + (r * (r / q).log()).sum()) / 2 / n
    torch.testing.assert_close(divergence(a, b), wanted)
    jensen_shannon = ((p * (p / r).log()).sum() + (q * (q / r).log()).sum()) / 2 / n
    assert not torch.isclose(divergence(a, b), jensen_shannon)
    torch.testing.assert_close(divergence(a, a), torch.zeros((), dtype=torch.float64))


def test_the_divergence_is_finite_for_features_far_apart_and_zero_for_none() -> None:
    a = torch.tensor([[1e4, 0.0, -1e4]], requires_grad=True)
    loss = divergence(a, -a.detach())
    loss.backward()
    assert loss.isfinite()
    assert a.grad is not None
    assert a.grad.isfinite().all()
    assert divergence(*features(0)) == 0


def test_the_matching_weighs_less_from_epoch_to_epoch() -> None:
    for schedule, wanted in {
        "as_described": {1: 1 - 1 / math.e, 2: 1 - math.e**-0.5, 10: 1 - math.e**-0.1},
        "as_released": {1: 0.95, 2: math.e**-0.3, 10: math.e**-2.7, 20: 0.05},
    }.items():
        method = lfm(schedule=schedule)
        assert {epoch: method.matching_weight(epoch) for epoch in wanted} == pytest.approx(wanted)
        weights = [method.matching_weight(epoch) for epoch in range(1, 101)]
        assert all(1 > one >= next_ > 0 for one, next_ in pairwise(weights))
        assert weights[0] > weights[8]


def parts(method: Method, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Features by hand, and scores."""
    h = {
        m: x.mean(dim=1) @ method.get_parameter(f"backbone.{m}_encoder.map.weight").T
        + method.get_parameter(f"backbone.{m}_encoder.map.bias")
        for m, x in batch.inputs.items()
    }
    z = {
        m: x @ method.get_parameter(f"heads.{m}.weight").T + method.get_parameter(f"heads.{m}.bias")
        for m, x in h.items()
    }
    return h, z


def with_gaps(modalities: tuple[str, ...]) -> Batch:
    """Sound in samples 0, 1, 2, 3, 4; the picture in 0, 3, 4, 5, 6, 7; text, if there is any, in all but the first."""
    batch = toy_batch(modalities=modalities)
    rows = {"audio": range(5), "image": (0, 3, 4, 5, 6, 7), "text": range(1, 8)}
    present = {m: torch.isin(torch.arange(8), torch.tensor(list(rows[m]))) for m in modalities}
    return replace(batch, present=present)


@pytest.mark.parametrize("modalities", [TWO, THREE])
@pytest.mark.parametrize("epoch", [1, 4])
def test_the_loss_is_the_weighted_sum_over_pairs_that_are_there(modalities: tuple[str, ...], epoch: int) -> None:
    method, batch = lfm(modalities, epoch, temperature=0.5, embedding=4), with_gaps(modalities)
    h, z = parts(method, batch)
    e = {
        m: x @ method.get_parameter(f"projections.{m}.weight").T + method.get_parameter(f"projections.{m}.bias")
        for m, x in h.items()
    }
    rows = {"audio image": [0, 3, 4], "audio text": [1, 2, 3, 4], "image text": [3, 4, 5, 6, 7]}
    pairs = [name.split() for name in rows if set(name.split()) <= set(modalities)]
    matching = sum(contrast(e[m][rows[f"{m} {n}"]], e[n][rows[f"{m} {n}"]], 0.5) for m, n in pairs) / len(pairs)
    labels = torch.stack([label_loss(z[m], batch, batch.present[m]) for m in modalities]).mean()
    a = 1 - math.exp(-1 / epoch)
    assert method.loss(batch).item() == pytest.approx(a * matching + (1 - a) * labels.item(), rel=1e-5)


def test_as_released_is_the_divergence_of_features_and_the_fit_of_mean_scores() -> None:
    options = {"schedule": "as_released", "matching": "as_released", "fitting": "mean"}
    method, batch = lfm(TWO, 3, **options), toy_batch()
    h, z = parts(method, batch)
    p, q = h["audio"].softmax(dim=1), h["image"].softmax(dim=1)
    r = (p + q) / 2
    matching = ((r * (r / p).log()).sum() + (r * (r / q).log()).sum()) / 2 / 8
    labels = label_loss((z["audio"] + z["image"]) / 2, batch, torch.ones(8, dtype=torch.bool))
    a = math.exp(-0.6)
    assert method.loss(batch).item() == pytest.approx((a * matching + (1 - a) * labels).item(), rel=1e-5)
    assert not any("projections" in key for key in method.state_dict())


def test_the_prediction_is_the_mean_of_the_scores_present() -> None:
    method, batch = lfm(), with_gaps(TWO)
    _, z = parts(method, batch)
    wanted = (z["audio"] + z["image"]) / 2
    wanted[[1, 2]], wanted[[5, 6, 7]] = z["audio"][[1, 2]], z["image"][[5, 6, 7]]
    torch.testing.assert_close(method(batch).logits, wanted)


@pytest.mark.parametrize("matching", ["as_described", "as_released"])
@pytest.mark.parametrize("fitting", ["each", "mean"])
def test_absent_rows_have_no_part_in_any_gradient(matching: str, fitting: str) -> None:
    batch, gradients = with_gaps(THREE), []
    for filling in (0.0, 7.0):
        method = lfm(THREE, matching=matching, fitting=fitting)
        inputs = {m: x.where(batch.present[m][:, None, None], filling) for m, x in batch.inputs.items()}
        method.training_step(replace(batch, inputs=inputs), sgd(method))
        gradients.append([p.grad for p in method.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("matching", ["as_described", "as_released"])
def test_modalities_that_never_meet_are_fitted_alone(matching: str) -> None:
    method, batch = lfm(matching=matching), toy_batch()
    first = torch.arange(8) < 4
    batch = replace(batch, present={"audio": first, "image": ~first})
    _, z = parts(method, batch)
    labels = (label_loss(z["audio"], batch, first) + label_loss(z["image"], batch, ~first)) / 2
    loss = method.loss(batch)
    assert loss.item() == pytest.approx(labels.item() / math.e, rel=1e-5)
    method.training_step(batch, sgd(method))
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


def test_one_modality_cannot_be_matched() -> None:
    with pytest.raises(UsageError, match="these data have audio only"):
        lfm(("audio",))


def test_wrong_options_are_named_together() -> None:
    with pytest.raises(UsageError, match="3 problems") as caught:
        lfm(temperature=0, schedule="linear", embedding=0)
    for name in ("temperature", "schedule", "embedding"):
        assert f"  {name}: " in str(caught.value)
