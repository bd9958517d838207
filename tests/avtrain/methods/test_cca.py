"""CCA: its numbers on data where the answer is known, imputation, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.cca import CCA
from tests.support.embedded import THREE, TWO, embedding_method, numbers, with_gaps
from tests.support.toys import WIDTH, sgd, toy_batch, toy_method


def fitted(batch: Batch, modalities: tuple[str, ...] = THREE, **options: object) -> CCA:
    method = embedding_method("cca", modalities, batch, **options)
    assert isinstance(method, CCA)
    return method


def variables(method: CCA, batch: Batch) -> dict[tuple[str, str], Tensor]:
    """Return the canonical variables of every pair, [B, k]."""
    parts = method.maps(numbers(method, batch)).split(method.config.dimensions, dim=1)
    return dict(zip(method.maps.pairs, parts, strict=True))


@pytest.mark.parametrize(("modalities", "count"), [(TWO, 4), (THREE, 12)])
def test_the_classifier_sees_two_numbers_of_each_view_of_each_pair(modalities: tuple[str, ...], count: int) -> None:
    method = fitted(toy_batch(40, modalities), modalities)
    assert method.classifier.weight.shape == (3, count)


def test_its_variables_have_the_canonical_correlations_of_the_embeddings() -> None:
    batch = toy_batch(60, THREE)
    method = fitted(batch, ridge=1e-9)
    x, found = numbers(method, batch), variables(method, batch)
    for i, j in method.maps.pairs[::2]:
        # correlations of two views are the singular values between their orthonormal bases
        bases = [torch.linalg.svd(v, full_matrices=False)[0][:, :4] for v in (x[i], x[j])]  # of rank 4 = INPUTS
        expected = torch.linalg.svdvals(bases[0].T @ bases[1])[:2]
        got = [np.corrcoef(found[i, j][:, k], found[j, i][:, k])[0, 1] for k in range(2)]
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_source_that_two_views_share_is_found_and_classified() -> None:
    generator = torch.Generator().manual_seed(4)
    labels = torch.arange(90) % 3
    source = torch.eye(3, dtype=torch.float64)[labels][:, :2] * 4
    batch = toy_batch(90, TWO)
    inputs = {m: x.clone() for m, x in batch.inputs.items()}
    for x in inputs.values():
        x[:, :, :2] = (source + 0.1 * torch.randn(90, 2, generator=generator))[:, None]
    batch = replace(batch, inputs=inputs, labels=labels)
    method = fitted(batch, TWO, cost=1.0)
    assert (method(batch).logits.argmax(dim=1) == labels).double().mean() == 1
    one = {m: there.clone() for m, there in batch.present.items()}
    one["image"][:] = False  # the classifier knows the other half
    assert (method(replace(batch, present=one)).logits.argmax(dim=1) == labels).double().mean() > 0.9


def test_a_missing_modality_is_the_mean_of_the_training_split_and_of_nothing_else() -> None:
    batch = with_gaps(toy_batch(60, THREE))
    method = fitted(batch)
    test = toy_batch(20, THREE, seed=8)
    test = replace(
        test,
        inputs={m: x + 50 for m, x in test.inputs.items()},  # its own mean is far away
        present={**test.present, "text": torch.zeros(20, dtype=torch.bool)},
    )
    mean = method.norms["text"].get_buffer("mean")
    with torch.no_grad():
        raw = method.pooled(batch)["text"][batch.present["text"]]
        torch.testing.assert_close(mean, raw.mean(dim=0))
        imputed = {**method.pooled(test), "text": mean.expand(20, WIDTH)}
        x = {m: method.norms[m](v) for m, v in imputed.items()}
        torch.testing.assert_close(method(test).logits, method.classifier(method.maps(x)))


def test_a_step_does_nothing_and_the_last_epoch_decides() -> None:
    first, second = toy_batch(40, TWO), toy_batch(40, TWO, seed=3)
    method = fitted(first, TWO)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    assert method.training_step(second, sgd(method)) == 0
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    method.end_epoch([second])
    assert not torch.equal(method.state_dict()["maps.audio_to_image"], before["maps.audio_to_image"])


def test_what_it_computed_counts_as_trained() -> None:
    method = fitted(toy_batch(40, TWO), TWO)
    # means and deviations, two maps of two columns, three hyperplanes on four numbers with their offsets
    assert sum(value.numel() for value in method.fitted_values()) == 4 * WIDTH + 2 * 2 * WIDTH + 3 * 5


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match=r"method\.dimensions=7 is more than the 6 features of the audio embedding"):
        toy_method("cca", TWO, dimensions=7)
    with pytest.raises(UsageError, match="two training samples or more, not 1"):
        fitted(toy_batch(1, TWO), TWO)
    with pytest.raises(UsageError, match="3 problems"):
        toy_method("cca", TWO, dimensions=0, ridge=0, cost=-1)
