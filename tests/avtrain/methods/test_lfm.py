"""LFM against its formulas: the contrastive loss, its weight over the epochs, pairs that both are there."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
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
        "deleted_script": {1: 0.95, 2: math.e**-0.3, 10: math.e**-2.7, 20: 0.05},
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
    with pytest.raises(UsageError, match="these data have 1: audio"):
        lfm(("audio",))


def test_wrong_options_are_named_together() -> None:
    with pytest.raises(UsageError, match="3 problems") as caught:
        lfm(temperature=0, schedule="linear", embedding=0)
    for name in ("temperature", "schedule", "embedding"):
        assert f"  {name}: " in str(caught.value)


# schedules of the repository


def released(epoch: int = 1, **options: object) -> LFM:
    return lfm(TWO, epoch, matching="scores", fitting="mean", **options)


def scores_losses(method: Method, batch: Batch) -> tuple[Tensor, Tensor]:
    """Divergence of scores and cross-entropy of their mean, by hand."""
    _, z = parts(method, batch)
    p, q = z["audio"].softmax(dim=1), z["image"].softmax(dim=1)
    r = (p + q) / 2
    matching = ((r * (r / p).log()).sum() + (r * (r / q).log()).sum()) / 2 / len(batch)
    return matching, label_loss((z["audio"] + z["image"]) / 2, batch, torch.ones(len(batch), dtype=torch.bool))


def test_the_old_name_is_the_deleted_script() -> None:
    old, new = (lfm(schedule=name) for name in ("as_released", "deleted_script"))
    assert [old.matching_weight(t) for t in range(1, 30)] == [new.matching_weight(t) for t in range(1, 30)]


@pytest.mark.parametrize(
    ("t", "label"), [(0, 0.205), (50, 0.437), (100, 0.539), (150, 0.821), (175, 0.993), (199, 0.916)]
)
def test_the_fitted_schedule_has_its_known_values(t: int, label: float) -> None:
    method, batch = released(t + 1, schedule="fitted"), toy_batch()
    assert 1 - method.matching_weight(t + 1) == pytest.approx(label, abs=6e-4)
    coefficients = [0.204623704, 3.35472727e-3, 1.22989557e-4, -2.92947416e-6, 2.23835486e-8, -5.39717505e-11]
    a = float(np.polynomial.polynomial.polyval(t, coefficients))
    matching, labels = scores_losses(method, batch)
    assert method.loss(batch).item() == pytest.approx((2 * (a * labels + (1 - a) * matching)).item(), rel=1e-5)


def test_the_fitted_schedule_ends_after_200_epochs() -> None:
    method = released(schedule="fitted")
    method.progress = TrainingProgress(1, 201, 0, 1)
    with pytest.raises(UsageError, match=r"is made for 200 epochs .* this training has 201"):
        method.training_step(toy_batch(), sgd(method))


def flat(gradients: Sequence[Tensor | None], method: Method) -> Tensor:
    pairs = zip(gradients, method.parameters(), strict=True)
    return torch.cat([torch.zeros_like(p).flatten() if g is None else g.flatten() for g, p in pairs])


@pytest.mark.parametrize("conflict", [False, True])
def test_min_norm_is_the_shortest_combination_of_gradients_that_conflict(conflict: bool) -> None:
    method = next(m for m, batch in _tries() if (_product(m, batch) < 0) == conflict)
    batch = toy_batch()
    weights = list(method.parameters())
    g, u = (flat(torch.autograd.grad(x, weights, retain_graph=True), method) for x in scores_losses(method, batch))
    shares = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    lengths = shares**2 * (g @ g) + 2 * shares * (1 - shares) * (g @ u) + (1 - shares) ** 2 * (u @ u)
    a = float(shares[lengths.argmin()]) if conflict else 0.5
    method.training_step(batch, torch.optim.SGD(weights, lr=0.0))
    torch.testing.assert_close(flat([p.grad for p in weights], method), 2 * (a * g + (1 - a) * u), rtol=1e-3, atol=1e-5)


def _tries() -> Iterator[tuple[LFM, Batch]]:
    for seed in range(50):
        method, batch = released(schedule="min_norm"), toy_batch()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in method.parameters():
                p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
        yield method, batch


def _product(method: Method, batch: Batch) -> float:
    weights = list(method.parameters())
    g, u = (flat(torch.autograd.grad(x, weights, retain_graph=True), method) for x in scores_losses(method, batch))
    return float(g @ u)


def test_the_learned_weight_steps_by_the_hessian_product_of_the_first_tensor() -> None:
    method, batch = released(21, schedule="learned", schedule_lr=0.5), toy_batch(20)
    held_out, rest, first = batch.rows(slice(0, 8)), batch.rows(slice(8, None)), next(method.parameters())
    method.learned_weight = 0.5

    def product() -> float:
        matching, labels = scores_losses(method, held_out)
        total, weights = 2 * (0.5 * matching + 0.5 * labels), list(method.parameters())
        g, u = (flat(torch.autograd.grad(x, weights, retain_graph=True), method) for x in (total, labels))
        return float(g @ u)

    slopes, epsilon = [], 1e-6
    for index in range(first.numel()):  # by differences
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                first.view(-1)[index] += sign * epsilon
            ends.append(product())
            with torch.no_grad():
                first.view(-1)[index] -= sign * epsilon
        slopes.append((ends[0] - ends[1]) / 2 / epsilon)
    expected = 0.5 - 0.25 * sum(slopes) / len(slopes)  # the step is halved after 20 epochs
    loss = method.loss(rest).item()
    assert method.training_step(batch, sgd(method)).item() == pytest.approx(loss, rel=1e-6)  # without those held out
    assert method.learned_weight == pytest.approx(expected, rel=1e-5)
    assert abs(expected - 0.5) > 1e-4


def test_the_exact_learned_weight_steps_by_the_derivative_of_the_held_out_loss() -> None:
    batch, lr = toy_batch(20), 0.3
    held_out, rest = batch.rows(slice(0, 8)), batch.rows(slice(8, None))

    def after(weight: float) -> float:
        """The held-out loss after one plain step of SGD with this weight."""
        method = released(schedule="learned_exact")
        weights = list(method.parameters())
        matching, labels = scores_losses(method, rest)
        gradients = torch.autograd.grad(2 * (weight * matching + (1 - weight) * labels), weights)
        with torch.no_grad():
            for p, g in zip(weights, gradients, strict=True):
                p.sub_(lr * g)
            return float(scores_losses(method, held_out)[1])

    slope = (after(0.5 + 1e-4) - after(0.5 - 1e-4)) / 2e-4
    method = released(schedule="learned_exact", schedule_lr=0.5)
    method.learned_weight = 0.5
    method.training_step(batch, torch.optim.SGD(method.parameters(), lr=lr))
    assert method.learned_weight - 0.5 == pytest.approx(-0.5 * slope, rel=1e-3)
    state = method.training_state()
    other = released(schedule="learned_exact")
    other.load_training_state(state)
    assert other.learned_weight == method.learned_weight != 0.95


def test_the_learned_weight_stays_within_its_limits_and_changes_once_an_epoch() -> None:
    method = released(schedule="learned_exact", schedule_lr=1e9)
    seen = []
    for step in range(3):
        method.progress = TrainingProgress(1, 2, step, 3)
        method.training_step(toy_batch(20, seed=step), sgd(method))
        seen.append(method.learned_weight)
    assert seen[0] in (0.05, 0.95)
    assert len(set(seen)) == 1
