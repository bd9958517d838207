"""Modality dropout: what it is trained on, what it answers, and that it does what it is for."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from avtrain.methods import modality_dropout as module
from tests.support.embedded import THREE, begin, embedding_method, numbers, with_gaps
from tests.support.toys import toy_batch, train


def test_a_missing_modality_adds_nothing_to_the_logits() -> None:
    batch = with_gaps(toy_batch(14, THREE, seed=3))
    method = embedding_method("modality-dropout", THREE, batch)
    assert isinstance(method, module.ModalityDropout)
    x = numbers(method, batch)
    for i in range(14):
        expected = method.head.bias
        for place, m in enumerate(THREE):
            if batch.present[m][i]:
                columns = method.head.weight[:, 128 * place : 128 * (place + 1)]
                expected = expected + columns @ method.encoders[m](x[m][i]).clamp(min=0)
        torch.testing.assert_close(method(batch).logits[i], expected)


def test_the_loss_is_that_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def hide(present: dict[str, Tensor], rate: float) -> dict[str, Tensor]:
        assert rate == 0.3
        return {**present, "text": torch.zeros_like(present["text"])}

    monkeypatch.setattr(module, "hide_modalities", hide)
    batch = toy_batch(9, THREE)
    method = embedding_method("modality-dropout", THREE, batch, rate=0.3)
    left = replace(batch, present=hide(batch.present, 0.3))
    expected = -method(left).logits.log_softmax(dim=1)[torch.arange(9), batch.labels].mean()
    torch.testing.assert_close(method.loss(batch).double(), expected, rtol=1e-5, atol=1e-6)


def test_it_protects_a_modality_that_would_not_be_learned_without_it() -> None:
    """Audio tells the class at a glance, image with an effort: only with dropout is the image of use alone."""
    torch.manual_seed(0)
    batch = toy_batch(120, ("audio", "image"))
    centres = torch.eye(4, dtype=torch.float64)[batch.labels][:, None]
    noisy = {"audio": 5 * centres + 0.1 * batch.inputs["audio"], "image": 1.5 * centres + 0.5 * batch.inputs["image"]}
    batch = replace(batch, inputs=noisy)
    only = replace(batch, present={"audio": torch.zeros(120, dtype=torch.bool), "image": batch.present["image"]})
    right = {}
    for rate in (0.0, 0.5):
        method = embedding_method("modality-dropout", ("audio", "image"), rate=rate, dropout=0.0)
        begin(method, batch)
        train(method.train(), batch, torch.optim.AdamW(method.parameter_groups(1e-3)), 40)
        method.eval()
        losses = torch.nn.functional.cross_entropy(method(only).logits, only.labels)
        right[rate] = losses.item()
    assert right[0.5] < 0.5 * right[0.0]
