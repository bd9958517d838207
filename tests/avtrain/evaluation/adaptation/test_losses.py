"""Each rival's loss against its formula, written out sample by sample in double precision."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from avtrain.evaluation.adaptation.brimpr import TEMPERATURE, contrastive_loss, moment_loss
from avtrain.evaluation.adaptation.gradient import entropy
from avtrain.evaluation.adaptation.layers import moments_of
from avtrain.evaluation.adaptation.read import read_loss
from avtrain.evaluation.adaptation.sumi import sumi_loss, sure, within_fences
from avtrain.evaluation.adaptation.tsa import CONFIDENT, straight_through, tsa_loss
from avtrain.methods.base import Prediction

B, C = 12, 5


def drawn(*shape: int, seed: int = 0, scale: float = 3.0) -> Tensor:
    return torch.from_numpy(scale * np.random.default_rng(seed).standard_normal(shape))


def softmax(row: NDArray[np.float64]) -> NDArray[np.float64]:
    raised: NDArray[np.float64] = np.exp(row - row.max())
    return raised / raised.sum()


def entropy_of(p: NDArray[np.float64]) -> float:
    return float(-sum(x * math.log(x) for x in p))


def test_tent_minimises_the_mean_entropy() -> None:
    logits = drawn(B, C)
    expected = np.mean([entropy_of(softmax(row)) for row in logits.numpy()])
    assert entropy(logits).mean().item() == pytest.approx(expected, rel=1e-12)


def test_read_has_the_published_loss() -> None:
    logits = drawn(B, C)
    rows = [softmax(row) for row in logits.numpy()]
    confident = np.mean([p.max() * (1 - math.log(p.max()) + math.log(math.exp(-1))) for p in rows])
    expected = confident - entropy_of(softmax(np.sum(rows, axis=0)))
    assert read_loss(logits).item() == pytest.approx(expected, rel=1e-12)


def test_read_raises_confidences_above_one_in_e_and_lowers_those_below() -> None:
    for logit, sign in ((2.0, -1), (0.0, 1)):  # of five classes: confidence .65, and .2
        logits = torch.tensor([[logit, -1e-6, 0, 0, 0]], dtype=torch.float64, requires_grad=True)
        p = logits.softmax(dim=1).amax(dim=1)
        (p * (1 - p.log() - 1)).sum().backward()
        assert math.copysign(1, logits.grad[0, logits.argmax()].item()) == sign


def test_sumi_adapts_to_sure_samples_within_the_fences() -> None:
    logits, own = drawn(B, C, scale=6), {"audio": drawn(B, C, seed=1, scale=6), "image": drawn(B, C, seed=2, scale=6)}
    features = {"audio": drawn(B, seed=3), "image": drawn(B, seed=4)}
    features["audio"][3] = 1000.0
    present = {m: torch.ones(B, dtype=torch.bool) for m in own}
    present["image"][5] = False
    chosen, limit = [], 0.4 * math.log(C)
    for i in range(B):
        inside = True
        for m in own:
            there = features[m].numpy()[present[m].numpy()]
            low, high = np.quantile(there, 0.25), np.quantile(there, 0.75)
            if present[m][i]:
                inside &= low - 1.5 * (high - low) <= features[m][i].item() <= high + 1.5 * (high - low)
        alone = any(present[m][i] and entropy_of(softmax(own[m][i].numpy())) < limit for m in own)
        if inside and alone and entropy_of(softmax(logits[i].numpy())) < limit:
            chosen.append(i)
    assert 1 < len(chosen) < B - 2
    assert 3 not in chosen
    found = within_fences(features, present) & sure(logits, own, present)
    assert found.nonzero()[:, 0].tolist() == chosen
    shares = []
    for m, scores in own.items():
        pairs = [(softmax(logits[i].numpy()), softmax(scores[i].numpy())) for i in chosen if present[m][i]]
        shares.append(np.mean([sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) for p, q in pairs]))
    expected = np.mean([entropy_of(softmax(logits[i].numpy())) for i in chosen]) + np.mean(shares)
    assert sumi_loss(Prediction(logits, own), features, present).item() == pytest.approx(expected, rel=1e-10)


def test_sumi_learns_nothing_from_a_batch_without_sure_samples() -> None:
    present = {"audio": torch.ones(B, dtype=torch.bool)}
    assert sumi_loss(Prediction(torch.zeros(B, C).double()), {"audio": drawn(B)}, present) is None


def test_tsa_is_fixmatch_and_balance() -> None:
    weak, strong = drawn(B, C, scale=4), drawn(B, C, seed=1)
    p = [softmax(row) for row in weak.numpy()]
    assert 0 < sum(x.max() >= CONFIDENT for x in p) < B
    each = [
        -math.log(softmax(z)[x.argmax()]) if x.max() >= 0.9 else 0.0 for x, z in zip(p, strong.numpy(), strict=True)
    ]
    expected = np.mean(each) - entropy_of(np.mean(p, axis=0))
    assert tsa_loss(weak, strong).item() == pytest.approx(expected, rel=1e-10)


def test_tsa_gates_are_one_hot_with_the_gradient_of_a_softmax() -> None:
    logits = torch.tensor([0.3, 1.0, -2.0], dtype=torch.float64, requires_grad=True)
    gates = straight_through(logits)
    assert gates.tolist() == pytest.approx([0, 1, 0])
    (gates * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    soft = softmax(logits.detach().numpy())
    weights = np.array([1.0, 2.0, 3.0])
    assert logits.grad.tolist() == pytest.approx((soft * (weights - (soft * weights).sum())).tolist())


def test_brimpr_compares_means_and_deviations_of_layers() -> None:
    layers = {m: [drawn(B, 4, 6, seed=10 * i + j) for j in range(3)] for i, m in enumerate(("audio", "image"))}
    source = {m: [drawn(B, 4, 6, seed=100 + 10 * i + j, scale=2) for j in range(3)] for i, m in enumerate(layers)}
    expected = 0.0
    for m, found in layers.items():
        distances = []
        for x, y in zip(found, source[m], strict=True):
            a, b = x.numpy().reshape(-1, 6), y.numpy().reshape(-1, 6)
            distances.append(
                np.linalg.norm(a.std(axis=0) - b.std(axis=0)) + np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))
            )
        expected += np.mean(distances)
    moments = {m: [moments_of(x) for x in found] for m, found in layers.items()}
    reference = {m: [moments_of(x) for x in found] for m, found in source.items()}
    assert moment_loss(moments, reference).item() == pytest.approx(expected, rel=1e-9)


def test_brimpr_contrasts_the_modalities_of_a_sample() -> None:
    embeddings = {m: drawn(B, 6, seed=i) for i, m in enumerate(("audio", "image", "text"))}
    present = {m: torch.ones(B, dtype=torch.bool) for m in embeddings}
    present["text"][:4] = False
    expected = 0.0
    for one, other in (("audio", "image"), ("audio", "text"), ("image", "text")):
        rows = (present[one] & present[other]).numpy()
        a, b = (
            x / np.linalg.norm(x, axis=1, keepdims=True) for x in (embeddings[m].numpy()[rows] for m in (one, other))
        )
        similarity = a @ b.T / TEMPERATURE
        for z in (similarity, similarity.T):
            expected += np.mean([-math.log(softmax(row)[i]) for i, row in enumerate(z)]) / 2
    assert contrastive_loss(embeddings, present).item() == pytest.approx(expected, rel=1e-10)
