"""The fusion of MLA against its formulas: how the scores of the modalities are weighed."""

import numpy as np
import pytest
import torch
from torch import Tensor

from avtrain.methods.mla.fusion import fuse
from tests.avtrain.methods.mla.test_mla import THREE, softmax
from tests.support.toys import CLASSES


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
