"""The gradient of MLA's head against its formulas: what is cleared from it, and when that begins anew."""

import pytest
import torch
from torch import Tensor

from avtrain.methods.base import TrainingProgress
from avtrain.methods.mla.head_gradient import HeadGradient, ridge
from avtrain.methods.mla.projectors import RlsProjector, as_released, rls
from tests.avtrain.methods.mla.test_mla import THREE


def test_rls_suppresses_what_it_has_seen_and_nothing_else() -> None:
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64)).Q
    seen, other = basis[:3] * 2.0, basis[3:]
    projector = torch.eye(12, dtype=torch.float64)
    for mean in seen:
        projector = rls(projector, mean, alpha=0.1)
    left = (seen @ projector.T).norm(dim=1) / seen.norm(dim=1)
    torch.testing.assert_close(left, torch.full_like(left, 0.1 / (0.1 + 4.0)))
    assert (left < 0.1).all()
    torch.testing.assert_close(other @ projector.T, other)


def test_rls_stays_symmetric_and_semi_definite() -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(2000, 48, generator=generator, dtype=torch.float64) * 0.1 + 3.0
    projector, precision = (torch.eye(48, dtype=torch.float64) for _ in range(2))
    for step, mean in enumerate(means):
        alpha = ridge(TrainingProgress(1, 1, step % 100, 100))
        projector = rls(projector, mean, alpha)
        precision += torch.outer(mean, mean) / alpha
    assert torch.equal(projector, projector.T)
    values = torch.linalg.eigvalsh(projector)
    assert values.min() > -1e-12
    assert values.max() < 1 + 1e-12
    torch.testing.assert_close(projector, torch.linalg.inv(precision), rtol=1e-6, atol=1e-9)


def test_rows_of_updates_are_the_same_projector() -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(37, 48, generator=generator, dtype=torch.float64) + 1.0
    gradient = torch.randn(10, 48, generator=generator, dtype=torch.float64)
    lean, whole = RlsProjector(48), torch.eye(48, dtype=torch.float64)
    for step, mean in enumerate(means):  # rows are folded into the matrix every twelve steps, and in checkpoints
        lean.update(mean, 0.1)
        whole = rls(whole, mean, 0.1)
        torch.testing.assert_close(lean.project(gradient), gradient @ whole.T, rtol=0, atol=1e-12)
        if step == 20:
            saved, lean = lean.state_dict(), RlsProjector(48)
            lean.load_state_dict(saved)
    folded = lean.state_dict()["matrix"]
    assert torch.equal(folded, folded.T)
    torch.testing.assert_close(folded, whole, rtol=0, atol=1e-12)
    lean.reset()
    assert torch.equal(lean.project(gradient), gradient)
    assert torch.equal(lean.state_dict()["matrix"], torch.eye(48, dtype=torch.float64))


def test_the_ridge_falls_from_a_tenth_to_a_hundredth_over_an_epoch() -> None:
    assert [ridge(TrainingProgress(3, 9, step, 4)) for step in (0, 2)] == pytest.approx([0.1, 10**-1.5])


def gradient_of(hgm: HeadGradient, modality: str, means: dict[str, Tensor], progress: TrainingProgress) -> Tensor:
    hgm.start_batch(means, progress)
    return hgm.project(torch.eye(4), modality, means[modality], progress)


def means(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.randn(4, generator=generator, dtype=torch.float64) for m in THREE}


def inverse_of(directions: list[Tensor], alphas: list[float]) -> Tensor:
    """P of these r by its definition."""
    parts = [torch.outer(r, r) / alpha for r, alpha in zip(directions, alphas, strict=True)]
    return torch.linalg.inv(torch.eye(4, dtype=torch.float64) + torch.stack(parts).sum(dim=0)).float()


@pytest.mark.parametrize("reset", ["never", "epoch", "batch"])
def test_others_clears_what_the_others_brought_since_the_reset(reset: str) -> None:
    hgm = HeadGradient(THREE, 4, "rls", "others", reset)  # type: ignore[arg-type]
    moments = [
        TrainingProgress(1, 2, 0, 2),
        TrainingProgress(1, 2, 1, 2),
        TrainingProgress(2, 2, 0, 2),
        TrainingProgress(2, 2, 1, 2),
    ]
    for number, progress in enumerate(moments):
        got = gradient_of(hgm, "image", means(number), progress)
    since = {"never": [0, 1, 2, 3], "epoch": [2, 3], "batch": [3]}[reset]
    directions = [means(number)[m] for number in since for m in ("audio", "text")]
    alphas = [ridge(moments[number]) for number in since for _ in range(2)]
    torch.testing.assert_close(got, inverse_of(directions, alphas), rtol=1e-4, atol=1e-5)


def test_current_clears_the_own_too() -> None:
    hgm, progress = HeadGradient(THREE, 4, "rls", "current", "never"), TrainingProgress(1, 1, 1, 2)
    hgm.start_batch(means(0), progress)
    for m in ("audio", "image"):
        got = hgm.project(torch.eye(4), m, means(0)[m], progress)
    expected = inverse_of([means(0)["audio"], means(0)["image"]], [ridge(progress)] * 2)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_frobenius_keeps_the_norm_at_one() -> None:
    hgm = HeadGradient(THREE, 4, "rls", "others", "never", "frobenius")
    for number in range(3):
        got = gradient_of(hgm, "audio", means(number), TrainingProgress(1, 1, number, 3))
        assert got.norm() == pytest.approx(1.0)


def test_as_released_divides_element_by_element() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, start = (torch.rand(*size, generator=generator, dtype=torch.float64) for size in ((5,), (5, 5)))
    got, alpha = as_released(start, mean, 0.05), 0.05
    k = [sum(float(start[i, j] * mean[j]) for j in range(5)) for i in range(5)]
    expected = [
        [float(start[i, j]) - k[i] * k[j] / (alpha + k[i] * float(mean[j])) for j in range(5)] for i in range(5)
    ]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))
