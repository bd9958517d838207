"""IF-MMIN against its formulas: the moment discrepancy, the shared features, and both stages' losses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avtrain.methods import if_mmin
from avtrain.methods.base import TrainingProgress
from avtrain.methods.if_mmin import IFMMIN, central_moment_discrepancy, mean_discrepancy
from tests.avtrain.methods.test_mmin import affine, cross_entropy_of, encoded, leaky, mlp, weights_of
from tests.support.embedded import THREE, TWO
from tests.support.toys import toy_batch, toy_method

Array = NDArray[np.float64]


def invariant(modalities: tuple[str, ...] = THREE, *, stage: int, **options: object) -> IFMMIN:
    method = toy_method("if-mmin", modalities, **options)
    assert isinstance(method, IFMMIN)
    method.progress = TrainingProgress(1 if stage == 1 else 4, 4, 0, 1)
    return method.eval()


def projected(projector: torch.nn.Module, h: Array) -> Array:
    w = weights_of(projector)
    parts = np.split(h, h.shape[1] // 128, axis=1)
    return np.concatenate([leaky(affine(w, "maps.2", leaky(affine(w, "maps.0", part)))) for part in parts], axis=1)


def discrepancy(a: Array, b: Array) -> float:
    """The definition of Zellinger et al., without bounds of an interval."""
    total = float(np.linalg.norm(a.mean(0) - b.mean(0)))
    for k in range(2, 6):
        moments = [((x - x.mean(0)) ** k).mean(0) for x in (a, b)]
        total += float(np.linalg.norm(moments[0] - moments[1]))
    return total


def test_the_discrepancy_is_that_of_five_moments() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 6)), rng.exponential(size=(25, 6))
    found = central_moment_discrepancy(torch.from_numpy(a), torch.from_numpy(b)).item()
    assert found == pytest.approx(discrepancy(a, b), rel=1e-12)


def test_the_discrepancy_of_known_distributions() -> None:
    a = torch.tensor([[0.0], [2.0]])  # mean 1, even central moments 1, odd ones 0
    b = torch.tensor([[4.0], [4.0]])  # mean 4, no spread
    assert central_moment_discrepancy(a, b).item() == pytest.approx(3 + 1 + 0 + 1 + 0)
    assert central_moment_discrepancy(a, a.flip(0)).item() == 0


def test_equal_samples_have_a_finite_gradient() -> None:
    a = torch.ones(1, 3, requires_grad=True)
    central_moment_discrepancy(a, torch.ones(1, 3)).backward()
    assert a.grad is not None
    assert a.grad.tolist() == [[0, 0, 0]]


def test_the_mean_is_over_the_pairs_that_have_samples() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.normal(size=(n, 4)) for n in (8, 5, 9)]
    a, b, c = parts
    found = mean_discrepancy([torch.from_numpy(part) for part in parts]).item()
    assert found == pytest.approx((discrepancy(a, b) + discrepancy(a, c) + discrepancy(b, c)) / 3)
    found = mean_discrepancy([torch.from_numpy(part) for part in (a, b[:0], c)]).item()
    assert found == pytest.approx(discrepancy(a, c))
    assert mean_discrepancy([torch.from_numpy(part) for part in (a[:0], b[:0])]).item() == 0


@pytest.mark.parametrize("modalities", [TWO, THREE])
def test_the_teacher_learns_the_labels_and_to_make_modalities_alike(modalities: tuple[str, ...]) -> None:
    method, batch = invariant(modalities, stage=1, discrepancy=0.3), toy_batch(9, modalities)
    there = torch.arange(9) % 4 != 1
    batch = replace(batch, present={**batch.present, "image": there})  # of these only the complete ones are learned
    x = {m: value.detach() for m, value in method.embeddings(batch).items()}
    h = encoded(method.teacher["encoders"], x, batch.present)[there.numpy()]
    s = projected(method.teacher["projector"], h)
    z = mlp(weights_of(method.teacher["classifier"]), "", np.concatenate([h, s], axis=1))
    parts = np.split(s, len(modalities), axis=1)
    pairs = [(a, b) for i, a in enumerate(parts) for b in parts[i + 1 :]]
    expected = cross_entropy_of(z, batch.labels[there]) + 0.3 * np.mean([discrepancy(a, b) for a, b in pairs])
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("modalities", [TWO, THREE])
def test_the_student_imagines_with_the_shared_features(
    modalities: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, batch = invariant(modalities, stage=2, imagination=0.8, invariance=2.5), toy_batch(9, modalities)
    batch = replace(batch, present={**batch.present, "image": torch.arange(9) % 4 != 1})
    shown = {m: mask & (torch.arange(9) % 2 == i % 2) for i, (m, mask) in enumerate(batch.present.items())}
    monkeypatch.setattr(if_mmin, "draw_subsets", lambda *_, **__: shown)
    x = {m: value.detach() for m, value in method.embeddings(batch).items()}
    hidden = {m: mask & ~shown[m] for m, mask in batch.present.items()}
    h = encoded(method.encoders, x, shown)
    s = projected(method.projector, h)
    target = encoded(method.teacher["encoders"], x, hidden)
    shared_target = projected(method.teacher["projector"], encoded(method.teacher["encoders"], x, batch.present))
    w, value, latents = weights_of(method.imagine), h, []
    for block in range(5):
        value = value + s  # a block sees what the last one returned, and s
        for layer in (0, 2, 4):
            value = leaky(affine(w, f"blocks.{block}.encoder.{layer}", value))
        latents.append(value)
        for layer in (0, 2):
            value = leaky(affine(w, f"blocks.{block}.decoder.{layer}", value))
        value = affine(w, f"blocks.{block}.decoder.4", value)
    imagined = affine(w, "transition.2", np.maximum(affine(w, "transition.0", value), 0))
    known = np.repeat(np.stack([mask.numpy() for mask in batch.present.values()], axis=1), 128, axis=1)
    z = mlp(weights_of(method.classifier), "", np.concatenate(latents, axis=1))
    expected = cross_entropy_of(z, batch.labels)
    expected += 0.8 * ((imagined - target) ** 2)[known].mean() + 2.5 * ((s - shared_target) ** 2)[known].mean()
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_the_projector_goes_on_learning_in_the_second_stage() -> None:
    method, batch = invariant(stage=2), toy_batch(9, THREE)
    torch.manual_seed(0)
    method.loss(batch).backward()
    assert all(p.grad is not None and p.grad.any() for p in method.projector.parameters())
    assert all(p.grad is None for p in method.teacher.parameters())


def test_it_is_one_projector_for_all_modalities() -> None:
    method = invariant(stage=1)
    h = torch.randn(4, 128, dtype=torch.float64)
    found = method.projector(h.repeat(1, 3)).chunk(3, dim=1)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
