"""align on a toy: nothing inside the known region, accuracy recovered outside, mixed streams not harmed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.align import FEWEST, Align
from avtrain.evaluation.adaptation.base import AdaptationSource
from avtrain.evaluation.adaptation.collect import predict_with_features
from avtrain.evaluation.adaptation.discriminant import Discriminant, centre
from avtrain.evaluation.adaptation.feature_statistics import FeatureSample, summarise
from avtrain.evaluation.adaptation.opinions import HeldOut, Opinions, fit_opinions, stacking_weights
from avtrain.evaluation.adaptation.second_opinion import SecondOpinion
from avtrain.evaluation.adaptation.source import SourceStatistics
from avtrain.evaluation.temperature import fit_temperature
from avtrain.methods.base import Method
from tests.support.toys import CLASSES, INPUTS, toy_method

THREE = ("audio", "image", "text")
SHIFT = torch.tensor([[4.0, -3.0, 3.0, 4.0]], dtype=torch.float64)  # of the inputs, far outside


def draw(n: int, seed: int, shift: float = 0.0, modality: str = "audio", missing: bool = False) -> Batch:
    """Samples whose class means are a unit apart; `shift` moves one modality."""
    rng = np.random.default_rng(seed)
    labels = torch.arange(n) % CLASSES
    means = torch.eye(CLASSES, INPUTS, dtype=torch.float64) * 2
    inputs = {
        m: (means[labels] + 0.5 * torch.from_numpy(rng.standard_normal((n, INPUTS))))[:, None].repeat(1, 2, 1)
        for m in THREE
    }
    inputs[modality] = inputs[modality] + shift * SHIFT
    present = {m: torch.full((n,), not (missing and m == modality)) for m in THREE}
    return Batch(inputs, present, labels, torch.zeros(n, dtype=torch.int64), tuple(f"clip{i}" for i in range(n)))


@pytest.fixture(scope="module")
def method() -> Method:
    """late-fusion on three modalities, trained to nearly 100 %."""
    trained = toy_method("late-fusion", THREE)
    optimizer = torch.optim.Adam(trained.parameters(), lr=0.05)
    for step in range(60):
        trained.training_step(draw(96, seed=step), optimizer)
    return trained.eval()


@torch.no_grad()
def features(method: Method, batch: Batch) -> dict[str, FeatureSample]:
    pooled = predict_with_features(method, batch)[1]
    return {m: FeatureSample(x, batch.labels, CLASSES) for m, x in pooled.items()}


@pytest.fixture(scope="module")
def statistics(method: Method) -> SourceStatistics:
    """The run alone, without the second opinion."""
    found = summarise({"C": features(method, draw(300, 1))}, {"C": features(method, draw(200, 2))}, seed=0)
    return SourceStatistics(found, Opinions.alone(CLASSES))


@pytest.fixture
def align(method: Method, statistics: SourceStatistics) -> Align:
    adapter = Align(method, AdaptationSource(0, lambda: statistics, lambda: draw(32, 3)))
    adapter.reset("one")
    return adapter


def accuracy(adapter: Align, batch: Batch, size: int) -> float:
    parts = [batch.rows(slice(start, start + size)) for start in range(0, len(batch), size)]
    return float(np.mean([(adapter(part).logits.argmax(1) == part.labels).double().mean().item() for part in parts]))


@torch.no_grad()
def plain(method: Method, batch: Batch) -> float:
    return float((method(batch).logits.argmax(1) == batch.labels).double().mean())


@pytest.mark.parametrize("size", [1, 4, 16, 64])
def test_a_known_condition_is_predicted_bit_for_bit(align: Align, method: Method, size: int) -> None:
    batch = draw(128, 5)
    for start in range(0, 128, size):
        part = batch.rows(slice(start, start + size))
        with torch.no_grad():
            expected = method(part)
        assert torch.equal(align(part).logits, expected.logits)


@pytest.mark.parametrize("modality", THREE)
@pytest.mark.parametrize("size", [16, 64])
def test_a_shifted_stream_is_recovered(align: Align, method: Method, modality: str, size: int) -> None:
    shifted = draw(192, 6, shift=1.0, modality=modality)
    clean = plain(method, draw(192, 6))
    assert plain(method, shifted) < clean - 0.2
    assert accuracy(align, shifted, size) > clean - 0.05


def test_single_samples_are_aligned_once_there_are_enough(align: Align, method: Method) -> None:
    shifted = draw(160, 7, shift=1.0)
    with torch.no_grad():
        for place in range(FEWEST - 1):
            part = shifted.rows(slice(place, place + 1))
            assert torch.equal(align(part).logits, method(part).logits)
    rest = shifted.rows(slice(FEWEST - 1, 160))
    assert accuracy(align, rest, 1) > plain(method, rest) + 0.2


def test_a_mixed_stream_is_not_harmed(align: Align, method: Method) -> None:
    clean, shifted = draw(128, 8), draw(128, 8, shift=1.0)
    mixed = (torch.arange(128) // CLASSES % 2 == 0)[:, None, None]  # of every class both
    batch = replace(clean, inputs={m: torch.where(mixed, clean.inputs[m], shifted.inputs[m]) for m in THREE})
    assert accuracy(align, batch, 64) >= plain(method, batch)


def test_a_batch_of_one_class_is_not_taken_for_another_condition(align: Align, method: Method) -> None:
    batch = draw(192, 9)
    rows = (batch.labels == 1).nonzero()[:, 0]
    one = Batch(
        {m: x[rows] for m, x in batch.inputs.items()},
        {m: x[rows] for m, x in batch.present.items()},
        batch.labels[rows], batch.scenario[rows], tuple(batch.ids[i] for i in rows),
    )  # fmt: skip
    with torch.no_grad():
        assert torch.equal(align(one).logits, method(one).logits)


def test_a_missing_modality_is_not_touched_and_the_others_are_aligned(align: Align, method: Method) -> None:
    batch = draw(128, 10, shift=1.0, modality="image")
    batch = replace(batch, present={**batch.present, "audio": torch.zeros(128, dtype=torch.bool)})
    other = replace(batch, inputs={**batch.inputs, "audio": batch.inputs["audio"] + 100.0})
    found = align(batch).logits
    align.reset("one")
    assert torch.equal(align(other).logits, found)
    assert float((found.argmax(1) == batch.labels).double().mean()) > plain(method, batch) + 0.2


def test_samples_without_the_shifted_modality_are_not_touched(align: Align, method: Method) -> None:
    batch = draw(128, 15, shift=1.0)
    without = torch.arange(128) // CLASSES % 2 == 0  # of every class both
    batch = replace(batch, present={**batch.present, "audio": ~without})
    found = align(batch).logits
    with torch.no_grad():
        expected = method(batch).logits
    assert torch.allclose(found[without].softmax(dim=1), expected[without].softmax(dim=1))
    right = found.argmax(1) == batch.labels
    assert float(right[~without].double().mean()) > float(
        (expected.argmax(1) == batch.labels)[~without].double().mean()
    )


def test_a_new_stream_starts_without_the_window_of_the_last(align: Align, method: Method) -> None:
    align(draw(64, 11, shift=1.0))
    align.reset("another")
    part = draw(4, 12, shift=1.0)
    with torch.no_grad():
        assert torch.equal(align(part).logits, method(part).logits)


def test_the_run_keeps_its_weights_and_functions(align: Align, method: Method) -> None:
    before = {key: value.clone() for key, value in method.state_dict().items()}
    align(draw(64, 13, shift=1.0))
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    assert not {"encode", "pool", "pool_unimodal", "frozen_tokens"} & method.backbone.__dict__.keys()


def test_the_discriminant_is_the_one_of_the_textbook(statistics: SourceStatistics) -> None:
    """With one modality and means far apart: -1/2 (x - mu_c)' S^-1 (x - mu_c), S shrunk to its diagonal by half."""
    (stored,) = statistics.by_modality["audio"].values()
    residuals = stored.residuals.double().numpy()
    covariance = residuals.T @ residuals / len(residuals)
    inverse = np.linalg.inv(0.5 * covariance + 0.5 * np.diag(np.diag(covariance)))
    x = np.random.default_rng(0).normal(size=(7, covariance.shape[0]))
    away = x[:, None] - stored.class_means.double().numpy()
    expected = -0.5 * np.einsum("ncf,fg,ncg->nc", away, inverse, away)
    found = Discriminant.of({"audio": statistics.by_modality["audio"]})
    scores = found.scores({"audio": torch.from_numpy(x)}, {"audio": torch.ones(7, dtype=torch.bool)})
    assert scores.numpy() == pytest.approx(expected - expected.mean(axis=1, keepdims=True), rel=1e-6, abs=1e-6)
    nothing = found.scores({"audio": torch.from_numpy(x)}, {"audio": torch.zeros(7, dtype=torch.bool)})
    assert bool((nothing == 0).all())


def test_a_class_that_a_model_rules_out_stays_ruled_out() -> None:
    logits = torch.tensor([[1.0, -torch.inf, 2.0], [0.0, 1.0, 2.0]], dtype=torch.float64)
    found = centre(logits)
    assert found.isfinite().all()
    assert torch.allclose(found.softmax(dim=1), logits.softmax(dim=1))


def opinions(own: float, other: float, seed: int = 0) -> tuple[Opinions, HeldOut]:
    """Fit two opinions whose logits are the truth times a factor, plus noise."""
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(0, CLASSES, 400))
    truth = torch.nn.functional.one_hot(labels, CLASSES).double()
    logits, scores = (truth * f + torch.from_numpy(rng.normal(size=(400, CLASSES))) for f in (own, other))
    heard = HeldOut(logits, centre(50 * scores), labels)  # on another scale
    return fit_opinions([heard], torch.tensor([0.5, *[0.5 / (CLASSES - 1)] * (CLASSES - 1)])), heard


def test_the_weights_of_two_opinions_are_the_best_and_keep_the_temperature() -> None:
    found, heard = opinions(1.5, 1.0)
    own, other = found.add(heard.logits, 0 * heard.scores), found.discriminant.double() * heard.scores
    assert 0 < float(other.std()) < float(own.std())  # the better one weighs more
    weights = stacking_weights(torch.stack([own, other], dim=2), heard.labels)
    assert weights.tolist() == pytest.approx([float(weights[0])] * 2, rel=1e-3)  # no other ratio is better

    def loss(*factors: float) -> float:
        logits = sum(f * w * x for f, w, x in zip(factors, weights, (own, other), strict=True))
        return float(torch.nn.functional.cross_entropy(torch.as_tensor(logits), heard.labels))

    assert all(loss(1, 1) < loss(*factors) for factors in [(1.05, 1), (0.95, 1), (1, 1.05), (1, 0.95)])
    before, after = (fit_temperature(z.numpy(), heard.labels.numpy()).value for z in (heard.logits, own + other))
    assert before == pytest.approx(after, rel=1e-5)
    shares = (found.prior.double() / before).softmax(dim=0)
    assert shares.tolist() == pytest.approx([0.5, *[0.5 / (CLASSES - 1)] * (CLASSES - 1)], rel=1e-5)


def test_the_second_opinion_has_at_most_the_weight_of_the_first() -> None:
    found, heard = opinions(0.5, 3.0)
    own, other = found.add(heard.logits, 0 * heard.scores), found.discriminant * heard.scores
    assert float(other.std()) == pytest.approx(float(own.std()), rel=1e-4)


def test_an_opinion_that_only_does_harm_is_not_asked_for() -> None:
    found, _ = opinions(3.0, -3.0)
    assert (found.own, found.discriminant) == (1, 0)


def test_the_second_opinion_learns_nothing_from_the_stream(method: Method, statistics: SourceStatistics) -> None:
    asked = replace(statistics, opinions=replace(statistics.opinions, discriminant=torch.tensor(0.5)))
    adapter = SecondOpinion(method, AdaptationSource(0, lambda: asked, lambda: draw(32, 3)))
    part = draw(16, 12, shift=1.0)
    first = adapter(part).logits
    for seed in range(4):
        adapter(draw(64, seed, shift=2.0))
    assert torch.equal(adapter(part).logits, first)
    with torch.no_grad():
        scores = Discriminant.of(asked.by_modality).scores(predict_with_features(method, part)[1], part.present)
        expected = centre(method(part).logits.double()) + 0.5 * scores
    assert torch.allclose(first.double(), expected)


def test_statistics_are_read_as_they_were_written(statistics: SourceStatistics) -> None:
    again = SourceStatistics.from_tensors(statistics.tensors())
    assert again.tensors().keys() == statistics.tensors().keys()
    assert all(torch.equal(value, again.tensors()[name]) for name, value in statistics.tensors().items())
