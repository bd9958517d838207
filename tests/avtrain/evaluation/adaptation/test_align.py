"""align on a toy: nothing inside the known region, accuracy recovered outside, mixed streams left alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avbuild.errors import UsageError
from avtrain.backbones.frames import FrameEncoder
from avtrain.backbones.vit import VisionTransformer
from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.align import FEWEST, Align
from avtrain.evaluation.adaptation.base import AdaptationSource
from avtrain.evaluation.adaptation.collect import pool_tokens
from avtrain.evaluation.adaptation.source import FeatureSample, SourceStatistics, summarise
from avtrain.methods.base import Method
from tests.support.toys import CLASSES, INPUTS, ToyBackbone, toy_method

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
    pooled = pool_tokens(method, method.backbone.encode(batch))
    return {m: FeatureSample(x, batch.labels, CLASSES) for m, x in pooled.items()}


@pytest.fixture(scope="module")
def statistics(method: Method) -> SourceStatistics:
    return summarise({"C": features(method, draw(300, 1))}, {"C": features(method, draw(200, 2))}, seed=0)


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


def test_a_mixed_stream_is_left_alone(align: Align, method: Method) -> None:
    clean, shifted = draw(128, 8), draw(128, 8, shift=1.0)
    mixed = (torch.arange(128) // CLASSES % 2 == 0)[:, None, None]  # of every class both
    batch = replace(clean, inputs={m: torch.where(mixed, clean.inputs[m], shifted.inputs[m]) for m in THREE})
    for start in (0, 64):
        part = batch.rows(slice(start, start + 64))
        with torch.no_grad():
            assert torch.equal(align(part).logits, method(part).logits)


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


def test_rescaled_tokens_pool_to_rescaled_features() -> None:
    vit = VisionTransformer(width=8, heads=2, layers=1, patch=4, grid=2)
    tokens, scale, shift = torch.randn(3, 5, 8), torch.rand(16) + 0.5, torch.randn(16)
    for encoder in (vit, FrameEncoder(vit)):
        found = encoder.pool(encoder.rescale(tokens, scale, shift))
        assert torch.allclose(found, encoder.pool(tokens) * scale + shift, atol=1e-6)


def test_an_encoder_that_pools_in_its_own_way_is_refused(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = toy_method("late-fusion", THREE)
    strange.load_state_dict(method.state_dict())
    encoder = strange.backbone.encoder("audio")
    encoder.pool = lambda tokens: 2 * tokens.mean(dim=1)  # type: ignore[method-assign]
    monkeypatch.setattr(ToyBackbone, "name", "toy", raising=False)
    own = summarise({"C": features(strange, draw(300, 1))}, {"C": features(strange, draw(200, 2))}, seed=0)
    adapter = Align(strange.eval(), AdaptationSource(0, lambda: own, lambda: draw(32, 3)))
    with pytest.raises(UsageError, match="audio encoder of backbone toy pools tokens in its own way"):
        adapter(draw(64, 14, shift=1.0))
