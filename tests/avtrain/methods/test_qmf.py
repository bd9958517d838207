"""QMF: its fusion, its ranking against PyTorch's own loss, its history of losses."""

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from avtrain.data.batch import Batch
from avtrain.methods.base import TrainingProgress
from avtrain.methods.qmf import QMF
from avtrain.methods.shared.loss_history import LossHistory
from tests.support.toys import WIDTH, sgd, toy_batch, toy_method

PAIR = ("audio", "image")
THREE = ("audio", "image", "text")


def qmf(modalities: Sequence[str] = PAIR, **options: object) -> QMF:
    """With scores far enough apart for confidences to differ."""
    method = toy_method("qmf", modalities, **options)
    assert isinstance(method, QMF)
    with torch.no_grad():
        for m in modalities:
            method.get_parameter(f"heads.{m}.weight").mul_(20)
    return method


def scores(method: QMF, batch: Batch) -> dict[str, Tensor]:
    """z_m from the weights themselves."""
    found = {}
    for m, inputs in batch.inputs.items():
        weight, bias = (method.get_parameter(f"backbone.{m}_encoder.map.{part}") for part in ("weight", "bias"))
        h = (inputs @ weight.T + bias).mean(dim=1)
        assert h.shape == (len(batch), WIDTH)
        found[m] = h @ method.get_parameter(f"heads.{m}.weight").T + method.get_parameter(f"heads.{m}.bias")
    return found


def confidence(z: Tensor) -> Tensor:
    return z.exp().sum(dim=1).log() / 10


def fused(z: Mapping[str, Tensor], batch: Batch) -> Tensor:
    parts = [(confidence(x).detach() * batch.present[m])[:, None] * x for m, x in z.items()]
    return torch.stack(parts).sum(dim=0)


def costs(z: Tensor, labels: Tensor) -> Tensor:
    return -(z - z.logsumexp(dim=1, keepdim=True))[torch.arange(len(labels)), labels]


def with_gaps(batch: Batch, seed: int) -> Batch:
    """Every modality is absent somewhere, and no sample has none."""
    absent = torch.rand(len(batch), generator=torch.Generator().manual_seed(seed)).mul(2 * len(batch.present)).int()
    present = {m: absent != number for number, m in enumerate(batch.present)}
    return replace(batch, present=present)


class Reference:
    """The loss, sample by sample, with PyTorch's ranking loss as the released code calls it."""

    def __init__(self, margin: str, average: bool) -> None:
        self.margin, self.average = margin, average
        self.history: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def hardness(self, m: str, ids: Sequence[str]) -> Tensor:
        known = {i: sum(c) / (len(c) if self.average else 1) for i, c in self.history[m].items()}
        least, most = min(known.values()), max(known.values())
        return torch.tensor([(known[i] - least) / (most - least) for i in ids], dtype=torch.float64)

    def __call__(self, z: Mapping[str, Tensor], batch: Batch, rank_weight: float, with_fused: bool) -> Tensor:
        total = costs(fused(z, batch), batch.labels).mean() if with_fused else torch.zeros(())
        for m, x in z.items():
            there, each = batch.present[m], costs(x, batch.labels)
            total = total + each[there].mean()
            ids = [i for i, here in zip(batch.ids, there.tolist(), strict=True) if here]
            for i, value in zip(ids, each[there].tolist(), strict=True):
                self.history[m][i].append(value)
            total = total + rank_weight * self.rank(confidence(x)[there], self.hardness(m, ids))
        return total

    def rank(self, c1: Tensor, h1: Tensor) -> Tensor:
        c2, h2 = c1.roll(-1), h1.roll(-1)
        t = torch.sign(h1 - h2)
        by = t.where(t != 0, 1.0) if self.margin == "as_released" else -t.where(t != 0, 1.0)
        return torch.nn.functional.margin_ranking_loss(c1, c2 + (h1 - h2).abs() / by, -t)


@pytest.mark.parametrize("modalities", [PAIR, THREE])
def test_scores_are_weighed_by_confidence(modalities: tuple[str, ...]) -> None:
    method = qmf(modalities)
    batch = with_gaps(toy_batch(modalities=modalities), seed=1)
    prediction, z = method(batch), scores(method, batch)
    torch.testing.assert_close(prediction.logits, fused(z, batch), rtol=1e-5, atol=1e-6)
    for m in modalities:
        torch.testing.assert_close(prediction.per_modality[m], z[m])


@pytest.mark.parametrize("margin", ["as_released", "as_described"])
@pytest.mark.parametrize("history", ["sum", "mean"])
@pytest.mark.parametrize(("weight", "with_fused"), [(1.0, True), (0.1, False)])
def test_loss_and_gradients_are_those_of_the_formula(
    margin: str, history: str, weight: float, with_fused: bool
) -> None:
    method = qmf(THREE, margin=margin, history=history, rank_weight=weight, fused_loss=with_fused)
    reference = Reference(margin, average=history == "mean")
    ranked = 0.0
    for step in range(6):
        batch = with_gaps(toy_batch(9, THREE, seed=step), seed=step)
        order = torch.randperm(9, generator=torch.Generator().manual_seed(step)).tolist()
        batch = replace(batch, ids=tuple(f"clip{i}" for i in order))
        z = scores(method, batch)
        expected, got = reference(z, batch, weight, with_fused), method.loss(batch)
        torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-6)
        weights = list(method.parameters())
        for one, other in zip(torch.autograd.grad(got, weights), torch.autograd.grad(expected, weights), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
        ranked += sum(
            reference.rank(confidence(x)[batch.present[m]], _hardness(reference, m, batch)).item() for m, x in z.items()
        )
    assert ranked > 0


def _hardness(reference: Reference, m: str, batch: Batch) -> Tensor:
    here = batch.present[m].tolist()
    return reference.hardness(m, [i for i, there in zip(batch.ids, here, strict=True) if there])


def test_no_gradient_flows_by_way_of_the_weights_of_the_fusion() -> None:
    method, batch = qmf(rank_weight=0.0), toy_batch()
    z = scores(method, batch)
    through = torch.stack([confidence(x)[:, None] * x for x in z.values()]).sum(dim=0)
    weight = method.get_parameter("heads.audio.weight")
    got, stopped, flowing = (
        torch.autograd.grad(costs(logits, batch.labels).mean(), weight)[0]
        for logits in (method(batch).logits, fused(scores(method, batch), batch), through)
    )
    torch.testing.assert_close(got, stopped, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(got, flowing, rtol=1e-2)


numbers = st.floats(0, 1, width=32)


@given(easy=numbers, hard=numbers, sure=numbers, unsure=numbers)
def test_the_harder_is_pressed_to_be_less_sure(easy: float, hard: float, sure: float, unsure: float) -> None:
    easy, hard = sorted((easy, hard))
    unsure, sure = sorted((unsure, sure))
    h, there = torch.tensor([easy, hard]), torch.ones(2, dtype=torch.bool)
    for margin in ("as_released", "as_described"):
        method = qmf(margin=margin)
        right, wrong = torch.tensor([sure, unsure]), torch.tensor([unsure, sure], requires_grad=True)
        loss = method._rank(wrong, h, there)
        assert method._rank(right, h, there) <= loss
        loss.backward()
        assert wrong.grad is not None
        assert wrong.grad[0] <= 0 <= wrong.grad[1]  # a step down the gradient raises the easier, lowers the harder
        if hard - easy > 1e-6 and (margin == "as_described" or sure - unsure > hard - easy + 1e-6):
            assert wrong.grad[0] < 0 < wrong.grad[1]


def test_what_is_described_asks_for_a_margin_and_what_is_released_allows_one() -> None:
    c, h, there = torch.full((2,), 0.4), torch.tensor([0.0, 0.25]), torch.ones(2, dtype=torch.bool)
    assert qmf(margin="as_released")._rank(c, h, there) == 0
    assert qmf(margin="as_described")._rank(c, h, there) == 0.25


@pytest.mark.parametrize("gone", PAIR)
def test_a_batch_without_a_modality_is_an_ordinary_batch(gone: str) -> None:
    method, batch = qmf(), toy_batch()
    batch = replace(batch, present={**batch.present, gone: torch.zeros(len(batch), dtype=torch.bool)})
    for _ in range(2):
        loss = method.training_step(batch, sgd(method, weight_decay=0))
        assert loss.isfinite()
    assert all(weight.isfinite().all() for weight in method.parameters())
    assert not method.history.counts[PAIR.index(gone)].any()
    assert method.training_step(toy_batch(), sgd(method)).isfinite()


def test_a_single_sample_has_nobody_to_be_compared_with() -> None:
    method = qmf(rank_weight=1.0)
    plain = qmf(rank_weight=0.0)
    assert method.loss(toy_batch(1)) == plain.loss(toy_batch(1))


def test_what_stands_in_an_absent_row_trains_nothing() -> None:
    batch = with_gaps(toy_batch(), seed=1)
    there = batch.present["image"]
    rows = batch.inputs["image"].where(there[:, None, None], 50.0)
    losses = []
    for each in (batch, replace(batch, inputs={**batch.inputs, "image": rows})):
        method = qmf(margin="as_described")
        method.loss(toy_batch(seed=5))
        loss = method.loss(each)
        losses.append((loss, *torch.autograd.grad(loss, list(method.parameters()))))
    assert not there.all()
    for one, other in zip(*losses, strict=True):
        torch.testing.assert_close(one, other)


class TestHistory:
    @staticmethod
    def add(history: LossHistory, **losses: tuple[float | None, float | None]) -> None:
        """One batch; sample id -> losses of sound and picture, None where absent."""
        by_modality = dict(zip(PAIR, zip(*losses.values(), strict=True), strict=True))
        history.add(
            tuple(losses),
            {m: torch.tensor([float("nan") if x is None else x for x in column]) for m, column in by_modality.items()},
            {m: torch.tensor([x is not None for x in column]) for m, column in by_modality.items()},
        )

    def test_hardness_goes_from_the_least_to_the_most_costly_of_all(self) -> None:
        history = LossHistory(PAIR)
        self.add(history, a=(1.0, 5.0), b=(2.0, None))
        self.add(history, c=(4.0, 1.0), a=(2.0, None), d=(7.0, 2.0))
        assert history.hardness("cad")["audio"].tolist() == pytest.approx([2 / 5, 1 / 5, 1.0])
        assert history.hardness("cad")["image"].tolist() == pytest.approx([0.0, 1.0, 1 / 4])
        by_mean = history.hardness("cad", mean=True)
        assert by_mean["audio"].tolist() == pytest.approx([(4 - 1.5) / 5.5, 0.0, 1.0])
        assert history.hardness("b")["audio"].tolist() == [0.0]

    def test_samples_of_equal_cost_are_equally_easy(self) -> None:
        history = LossHistory(PAIR)
        self.add(history, a=(1.0, None), b=(1.0, None))
        assert history.hardness("ab")["audio"].tolist() == [0.0, 0.0]

    @given(order=st.permutations("abcdefgh"), cut=st.integers(1, 7))
    def test_the_order_of_samples_and_batches_does_not_matter(self, order: list[str], cut: int) -> None:
        losses = {name: (float(ord(name) % 5), None if name in "cf" else ord(name) / 7) for name in "abcdefgh"}
        one, other = LossHistory(PAIR), LossHistory(PAIR)
        self.add(one, **losses)
        self.add(other, **{name: losses[name] for name in order[:cut]})
        self.add(other, **{name: losses[name] for name in order[cut:]})
        for m, hard in one.hardness("abdegh").items():
            assert torch.equal(hard, other.hardness("abdegh")[m])

    def test_a_method_goes_on_from_its_state(self) -> None:
        methods = [qmf(margin="as_described") for _ in range(3)]
        for method in methods[:2]:
            method.loss(toy_batch(seed=1))
        file = io.BytesIO()
        torch.save(methods[0].training_state(), file)
        file.seek(0)
        methods[2].load_training_state(torch.load(file, weights_only=True))
        batch = with_gaps(toy_batch(11, seed=2), seed=3)
        went_on, resumed = (method.loss(batch) for method in methods[1:])
        assert torch.equal(went_on, resumed)
        fresh = qmf(margin="as_described").loss(batch)
        assert not torch.isclose(fresh, resumed)


def released_hardness(seen: dict[str, float], samples: int, name: str) -> float:
    """By the released code's array of all samples, zeros at first."""
    costs = [*seen.values(), *[0.0] * (samples - len(seen))]
    return (seen[name] - min(costs)) / (max(costs) - min(costs))


def test_as_released_samples_that_were_not_seen_yet_have_cost_nothing() -> None:
    names, steps = [f"clip{i}" for i in range(24)], 3
    seen: dict[str, dict[str, float]] = {m: {} for m in PAIR}
    method, apart = qmf(PAIR, hardness="as_released"), []
    for epoch in (1, 2):
        for step in range(steps):
            method.progress = TrainingProgress(epoch, 2, step, steps)
            ids = tuple(names[8 * step : 8 * step + 8])
            batch = replace(toy_batch(seed=step), ids=ids)
            z = scores(method, batch)
            loss = costs(fused(z, batch), batch.labels).mean()
            for m, x in z.items():
                for name, cost in zip(ids, costs(x, batch.labels).tolist(), strict=True):
                    seen[m][name] = seen[m].get(name, 0.0) + cost
                h = torch.tensor([released_hardness(seen[m], 24, name) for name in ids], dtype=torch.float64)
                loss = loss + costs(x, batch.labels).mean()
                loss = loss + Reference("as_released", average=False).rank(confidence(x), h)
            torch.testing.assert_close(method.loss(batch).double(), loss, rtol=1e-5, atol=1e-6)
            here = [method.history.hardness(ids, more_to_come=more)["audio"] for more in (None, step + 1 < steps)]
            apart.append(not torch.allclose(*here))
    assert apart[:2] == [True, True]  # later there is an entry for every sample
    assert apart[2] is False


def test_as_released_a_sample_without_the_modality_counts_as_not_seen() -> None:
    history = LossHistory(PAIR)
    there = torch.tensor([True, True, False])
    history.add("abc", {m: torch.tensor([1.0, 3.0, 9.0]) for m in PAIR}, {"audio": there, "image": ~there | there})
    found = history.hardness("ab", more_to_come=False)
    assert found["audio"].tolist() == pytest.approx([1 / 3, 1.0])
    assert found["image"].tolist() == pytest.approx([0.0, 2 / 8])
