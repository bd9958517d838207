"""The parts of MLA against their formulas: what is cleared from the head's gradient, and how scores are weighed."""

import numpy as np
import pytest
import torch
from torch import Tensor

from avtrain.methods.base import TrainingProgress
from avtrain.methods.mla.fusion import fuse
from avtrain.methods.mla.head_gradient import HeadGradient, ridge
from avtrain.methods.mla.projectors import RlsProjector, as_released, rls
from tests.avtrain.methods.mla.test_mla import THREE, softmax
from tests.support.toys import CLASSES

# the head's gradient


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
        lean.take_in(mean, 0.1)
        whole = rls(whole, mean, 0.1)
        torch.testing.assert_close(lean.times(gradient), gradient @ whole.T, rtol=0, atol=1e-12)
        if step == 20:
            saved, lean = lean.state_dict(), RlsProjector(48)
            lean.load_state_dict(saved)
    folded = lean.state_dict()["matrix"]
    assert torch.equal(folded, folded.T)
    torch.testing.assert_close(folded, whole, rtol=0, atol=1e-12)
    lean.forget()
    assert torch.equal(lean.times(gradient), gradient)
    assert torch.equal(lean.state_dict()["matrix"], torch.eye(48, dtype=torch.float64))


def test_the_ridge_falls_from_a_tenth_to_a_hundredth_over_an_epoch() -> None:
    assert [ridge(TrainingProgress(3, 9, step, 4)) for step in (0, 2)] == pytest.approx([0.1, 10**-1.5])


def gradient_of(hgm: HeadGradient, modality: str, means: dict[str, Tensor], progress: TrainingProgress) -> Tensor:
    hgm.start_batch(means, progress)
    return hgm.modify(torch.eye(4), modality, means[modality], progress)


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
        got = hgm.modify(torch.eye(4), m, means(0)[m], progress)
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


# the fusion


def scores(n: int = 6, scale: float = 3.0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {m: scale * torch.randn(n, CLASSES, generator=generator, dtype=torch.float64) for m in THREE}


def everyone(n: int = 6) -> dict[str, Tensor]:
    return {m: torch.ones(n, dtype=torch.bool) for m in THREE}


def some(n: int = 6) -> dict[str, Tensor]:
    present = everyone(n)
    present["audio"][[0, 2]] = False
    present["text"][[0, 1]] = False
    return present


def test_entropy_weighs_each_sample_by_how_sure_its_modalities_are() -> None:
    z, present = scores(), some()
    expected = np.zeros((6, CLASSES))
    for row in range(6):
        there = [z[m][row].numpy() for m in THREE if present[m][row]]
        p = [softmax(one[None])[0] for one in there]
        share = np.exp([np.sum(q * np.log(q)) for q in p])
        expected[row] = sum(s * one for s, one in zip(share / share.sum(), there, strict=True))
    np.testing.assert_allclose(fuse(z, present, "entropy", {}).numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("how", ["mean", "fixed", "entropy"])
def test_no_sample_depends_on_the_others_nor_on_what_it_lacks(how: str) -> None:
    z, present, weights = scores(), some(), {"audio": 0.2, "image": 0.5, "text": 0.3}
    whole = fuse(z, present, how, weights)  # type: ignore[arg-type]
    order = [4, 0, 3, 1]
    part = fuse({m: x[order] for m, x in z.items()}, {m: x[order] for m, x in present.items()}, how, weights)  # type: ignore[arg-type]
    torch.testing.assert_close(part, whole[order])
    for m in THREE:
        z[m][~present[m]] = torch.nan
    torch.testing.assert_close(fuse(z, present, how, weights), whole)  # type: ignore[arg-type]
    torch.testing.assert_close(whole[0], z["image"][0].float())  # all that it has
    backwards = dict(reversed(z.items()))
    torch.testing.assert_close(fuse(backwards, present, how, weights), whole)  # type: ignore[arg-type]


def test_entropy_stands_large_logits() -> None:
    z = scores(scale=1e4)
    fused = fuse(z, everyone(), "entropy", {})
    assert fused.isfinite().all()
    torch.testing.assert_close(fused, torch.stack(list(z.values())).mean(dim=0).float())  # all of them are sure


def test_fixed_weights_are_scaled_to_those_present() -> None:
    z, present = scores(), some()
    got = fuse(z, present, "fixed", {"audio": 0.35, "image": 0.25, "text": 0.40})
    torch.testing.assert_close(got[3], (0.35 * z["audio"] + 0.25 * z["image"] + 0.40 * z["text"])[3].float())
    torch.testing.assert_close(got[1], ((0.35 * z["audio"] + 0.25 * z["image"]) / 0.6)[1].float())


def test_the_released_entropy_depends_on_the_batch() -> None:
    z, there = scores(), everyone()
    two = {m: z[m] for m in ("audio", "image")}
    e = []
    for one in two.values():
        p = softmax(one.numpy().T).T  # over the batch
        e.append(-np.sum(p * np.log(p)))
    share = np.exp(-np.array(e)) / np.exp(-np.array(e)).sum()
    whole = fuse(two, there, "entropy_as_released", {})
    expected = share[0] * two["audio"].numpy() + share[1] * two["image"].numpy()
    np.testing.assert_allclose(whole.numpy(), expected, rtol=1e-5, atol=1e-5)
    alone = fuse({m: x[:1] for m, x in two.items()}, {m: x[:1] for m, x in there.items()}, "entropy_as_released", {})
    torch.testing.assert_close(alone, ((two["audio"] + two["image"]) / 2)[:1].float())
    assert not torch.allclose(alone, whole[:1], atol=1e-2)
    assert fuse({m: 1e4 * x for m, x in two.items()}, there, "entropy_as_released", {}).isnan().any()


def test_the_released_entropy_too_leaves_out_what_is_absent() -> None:
    z, present = scores(), some()
    whole = fuse(z, present, "entropy_as_released", {})
    for m in THREE:
        z[m][~present[m]] = torch.nan
    torch.testing.assert_close(fuse(z, present, "entropy_as_released", {}), whole)
    present["text"][:] = False
    z["text"][:] = torch.inf
    two = fuse({m: z[m] for m in ("audio", "image")}, present, "entropy_as_released", {})
    torch.testing.assert_close(fuse(z, present, "entropy_as_released", {}), two)
