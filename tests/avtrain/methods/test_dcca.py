"""DCCA and DCCAE: their losses against the formulas, the third view as released, and what they refuse."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import inv, sqrtm
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.methods.dcca import DCCA
from avtrain.methods.dccae import DCCAE
from avtrain.methods.registry import METHODS
from tests.support.embedded import THREE, TWO, begin, embedding_method, numbers, with_gaps
from tests.support.toys import CLASSES, WIDTH, ToyBackbone, sgd, toy_batch, toy_method, train


def dcca(name: str = "dcca", modalities: tuple[str, ...] = THREE, **options: object) -> DCCA:
    method = embedding_method(name, modalities, with_gaps(toy_batch(48, modalities)), **options)
    assert isinstance(method, DCCA)
    return method


def total_correlation(x: NDArray[np.float64], y: NDArray[np.float64], k: int) -> float:
    """Return the sum of the k largest sqrt(eig(T^T T + 1e-3 I)), by matrix square roots."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    n = len(x) - 1
    roots = [inv(sqrtm(v.T @ v / n + 1e-3 * np.eye(v.shape[1]))) for v in (x, y)]
    t = roots[0] @ (x.T @ y / n) @ roots[1]
    return float(np.sqrt(np.linalg.eigvalsh(t.T @ t + 1e-3 * np.eye(len(t))))[::-1][:k].sum())


@pytest.mark.parametrize("modalities", [TWO, THREE])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_loss_is_the_correlation_of_every_pair(modalities: tuple[str, ...], dimensions: int) -> None:
    method, batch = dcca(modalities=modalities, dimensions=dimensions), with_gaps(toy_batch(30, modalities, seed=7))
    z = {m: v.detach().numpy() for m, v in method.project(numbers(method, batch)).items()}
    expected = -sum(total_correlation(z[i], z[j], dimensions) for i, j in combinations(modalities, 2))
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-8)


def test_the_reconstruction_is_of_what_a_sample_has() -> None:
    method, batch = dcca("dccae", weight=0.7), with_gaps(toy_batch(30, THREE, seed=7))
    assert isinstance(method, DCCAE)
    x = numbers(method, batch)
    z = method.project(x)
    expected = method.correlation_loss(z)
    for m in THREE:
        rows = [i for i in range(30) if batch.present[m][i]]
        error = sum((method.decoders[m](z[m][i : i + 1])[0] - x[m][i]).square().sum() / WIDTH for i in rows)
        expected = expected + 0.7 * error / len(rows)
    torch.testing.assert_close(method.loss(batch), expected)


def test_without_its_weight_dccae_is_dcca() -> None:
    batch = with_gaps(toy_batch(30, THREE, seed=7))
    losses = []
    for name, options in (("dcca", {}), ("dccae", {"weight": 0})):
        method = dcca(name, **options)
        losses.append(method.loss(batch))
    torch.testing.assert_close(losses[0], losses[1])


@pytest.mark.parametrize("name", ["dcca", "dccae"])
def test_training_raises_the_correlation(name: str) -> None:
    batch = toy_batch(60, THREE)
    shared = torch.randn(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs = {m: x + 3 * shared[:, None, None] for m, x in batch.inputs.items()}
    batch, method = replace(batch, inputs=inputs), toy_method(name, THREE)
    assert isinstance(method, DCCA)
    begin(method, batch)
    losses = train(method.train(), batch, torch.optim.AdamW(method.parameter_groups(1e-3)), 30)
    assert losses[-1] < losses[0] - 0.5
    assert losses[-1] > -3 * 2 * 1.001  # three pairs of two dimensions


def test_the_labels_are_not_in_the_loss_but_in_the_classifier() -> None:
    method, batch = dcca(), toy_batch(48, THREE)
    other = replace(batch, labels=batch.labels.flip(0))
    assert torch.equal(method.loss(batch), method.loss(other))
    before = method.classifier.weight.clone()
    method.end_epoch([other])
    assert not torch.equal(method.classifier.weight, before)


def parts(method: nn.Module) -> set[str]:
    return {
        ".".join(key.split(".")[:2]) for key in method.state_dict() if key.split(".")[0] in ("networks", "decoders")
    }


@pytest.mark.parametrize("name", ["dcca", "dccae"])
def test_as_released_the_third_view_passes_through_the_network_of_the_second(name: str) -> None:
    own, released = dcca(name), dcca(name, third_view="as_released")
    assert "networks.text" in parts(own)
    assert not any("text" in part for part in parts(released))
    with torch.no_grad():
        x = {m: torch.randn(9, WIDTH, dtype=torch.float64) for m in ("audio", "image")}
        z = released.project({**x, "text": x["image"]})
        assert torch.equal(z["text"], z["image"])
        z = own.project({**x, "text": x["image"]})
        assert not torch.allclose(z["text"], z["image"])
    batch = toy_batch(30, THREE, seed=7)
    assert not torch.allclose(own.loss(batch), released.loss(batch))
    assert not torch.allclose(own(batch).logits, released(batch).logits)


def test_as_released_the_third_view_is_decoded_by_the_second_too() -> None:
    method, batch = dcca("dccae", third_view="as_released", weight=1.0), toy_batch(30, THREE, seed=7)
    assert isinstance(method, DCCAE)
    assert parts(method) == {f"{kind}.{m}" for kind in ("networks", "decoders") for m in TWO}
    x = numbers(method, batch)
    z = method.project(x)
    used = {"audio": "audio", "image": "image", "text": "image"}
    errors = [(method.decoders[used[m]](z[m]) - x[m]).square().mean() for m in THREE]
    torch.testing.assert_close(method.loss(batch), method.correlation_loss(z) + torch.stack(errors).sum())


def test_as_released_needs_three_views_and_two_of_equal_width() -> None:
    with pytest.raises(UsageError, match="third of three modalities, but here are 2: audio, image"):
        toy_method("dcca", TWO, third_view="as_released")
    backbone = ToyBackbone(THREE)
    backbone.encoder("text").pooled_width = WIDTH + 1
    config = METHODS["dcca"].Config(third_view="as_released")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match=r"sends text through the network of image, .* have 7 and 6 features"):
        METHODS["dcca"](backbone, CLASSES, 1, config)  # type: ignore[call-arg,arg-type]


@pytest.mark.parametrize("name", ["dcca", "dccae"])
def test_a_sample_left_over_at_the_end_of_an_epoch_takes_no_step(name: str) -> None:
    method = dcca(name).train()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    assert method.training_step(toy_batch(1, THREE), sgd(method)) == 0
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    assert method.training_step(toy_batch(2, THREE), sgd(method)).isfinite()


def test_a_modality_that_a_whole_batch_lacks_is_no_error() -> None:
    method, batch = dcca("dccae").train(), toy_batch(12, THREE)
    batch = replace(batch, present={**batch.present, "image": torch.zeros(12, dtype=torch.bool)})
    assert method.training_step(batch, sgd(method)).isfinite()
    assert all(isinstance(p.grad, Tensor) is False or p.grad.isfinite().all() for p in method.parameters())
