"""The losses of CPM-Net's latents against their definitions, and its class assignment where it is known."""

import numpy as np
import pytest
import torch

from avtrain.methods.cpm_net.latents import (
    Decoders,
    class_means,
    class_scores,
    classification_loss,
    reconstruction_loss,
)


def scores_by_definition(h: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    found = np.zeros((len(h), classes))
    for i in range(len(h)):
        for c in range(classes):
            others = [j for j in range(len(h)) if labels[j] == c and j != i]
            found[i, c] = np.mean([h[i] @ h[j] for j in others]) if others else 0.0
    return found


def test_class_scores_are_means_over_the_other_members() -> None:
    rng = np.random.default_rng(0)
    h, labels = rng.normal(size=(9, 4)), np.array([0, 0, 0, 1, 1, 1, 1, 2, 0])  # class 2 has one member
    found = class_scores(torch.from_numpy(h), torch.from_numpy(labels), 3)
    np.testing.assert_allclose(found.numpy(), scores_by_definition(h, labels, 3), rtol=1e-9, atol=1e-12)


def test_a_class_without_samples_is_never_assigned() -> None:
    h, labels = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 0, 2, 2, 2])
    scores = class_scores(h, labels, 4)
    assert (scores[:, [1, 3]] == -torch.inf).all()
    assert classification_loss(h, labels, 4).isfinite()


def test_the_classification_loss_is_its_sum_over_the_samples() -> None:
    rng = np.random.default_rng(1)
    h, labels = rng.normal(size=(12, 3)), rng.integers(0, 3, 12)
    scores = scores_by_definition(h, labels, 3)
    expected = 0.0
    for i, label in enumerate(labels):
        assigned = int(np.argmax(scores[i]))
        expected += max(0.0, (assigned != label) + scores[i, assigned] - scores[i, label])
    found = classification_loss(torch.from_numpy(h), torch.from_numpy(labels), 3).item()
    assert found == pytest.approx(expected)
    assert expected > 0


def test_separated_classes_cost_nothing_and_one_among_others_does() -> None:
    h = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    assert classification_loss(h, torch.tensor([0, 0, 1, 1]), 2).item() == 0
    # the second sample is now called class 1: its inner product with class 0 is 2, and with the rest of class 1 is 0
    scores = class_scores(h, torch.tensor([0, 1, 1, 1]), 2)
    assert scores[1].tolist() == [2.0, 0.0]
    assert scores[0].tolist() == [0.0, pytest.approx(2 / 3)]
    # sample 0 costs 1 + 2/3, sample 1 costs 1 + 2, samples 2 and 3 are nearest their own class
    assert classification_loss(h, torch.tensor([0, 1, 1, 1]), 2).item() == pytest.approx(1 + 2 / 3 + 3)


def test_the_reconstruction_loss_leaves_out_what_is_missing() -> None:
    rng = np.random.default_rng(2)
    h, x = rng.normal(size=(5, 3)), {"audio": rng.normal(size=(5, 4)), "image": rng.normal(size=(5, 2))}
    maps = {m: (rng.normal(size=(value.shape[1], 3)), rng.normal(size=value.shape[1])) for m, value in x.items()}
    present = {"audio": np.array([1, 0, 1, 1, 0], dtype=bool), "image": np.array([1, 1, 0, 1, 1], dtype=bool)}
    expected = sum(
        ((maps[m][0] @ h[i] + maps[m][1] - x[m][i]) ** 2).sum() for m in x for i in range(5) if present[m][i]
    )
    found = reconstruction_loss(
        torch.from_numpy(h),
        {m: torch.from_numpy(value) for m, value in x.items()},
        {m: torch.from_numpy(mask) for m, mask in present.items()},
        {m: (torch.from_numpy(a), torch.from_numpy(b)) for m, (a, b) in maps.items()},
    )
    assert found.item() == pytest.approx(expected)


def test_class_means_are_means() -> None:
    h = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert class_means(h, torch.tensor([0, 0, 2]), 3).tolist() == [[2, 3], [0, 0], [5, 6]]


def test_a_decoder_with_a_hidden_layer_is_a_product_of_two() -> None:
    torch.manual_seed(0)
    decoders = Decoders({"audio": 5}, latent=3, hidden=4)
    w = dict(decoders.named_buffers())
    a, b = decoders.affine("audio", w)
    h = torch.randn(3)
    hidden = w["audio_weight0"] @ h + w["audio_bias0"]
    torch.testing.assert_close(a @ h + b, w["audio_weight1"] @ hidden + w["audio_bias1"])


def test_dropped_units_are_those_of_the_generator_and_the_rest_is_scaled() -> None:
    decoders = Decoders({"audio": 6}, latent=3, hidden=6)
    w = {**dict(decoders.named_buffers()), "audio_weight1": torch.eye(6), "audio_bias1": torch.zeros(6)}
    plain, _ = decoders.affine("audio", w)
    dropped, _ = decoders.affine("audio", w, 0.5, torch.Generator().manual_seed(1))
    rows = (dropped / plain).mean(dim=1)
    assert sorted(set(rows.round(decimals=4).tolist())) == [0.0, 2.0]
    again, _ = decoders.affine("audio", w, 0.5, torch.Generator().manual_seed(1))
    assert torch.equal(again, dropped)
