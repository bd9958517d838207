"""Methods on one feature vector a modality: their parts, and what all of them promise."""

from dataclasses import replace

import pytest
import torch

from avtrain.methods.registry import METHODS
from avtrain.methods.shared.unimodal_features import UnimodalFeatures, mean_where
from tests.support.toys import CLASSES, sgd, toy_batch, toy_method, train

THREE = ("audio", "image", "text")
ON_FEATURES = [name for name, method in METHODS.items() if issubclass(method, UnimodalFeatures)]


@pytest.mark.parametrize("name", ON_FEATURES)
class TestEveryOne:
    def test_an_epoch_moves_every_encoder(self, name: str) -> None:
        method, batch = toy_method(name).train(), toy_batch()
        before = {key: value.clone() for key, value in method.state_dict().items()}
        assert all(loss.isfinite() for loss in train(method, batch, sgd(method)))
        moved = {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}
        assert {"backbone.audio_encoder.map.weight", "backbone.image_encoder.map.weight"} <= moved

    def test_frozen_the_backbone_stays_and_the_maps_move(self, name: str) -> None:
        method, batch = toy_method(name, frozen=True, width=5).train(), toy_batch()
        before = {key: value.clone() for key, value in method.state_dict().items()}
        train(method, batch, sgd(method))
        moved = {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}
        assert not any(key.startswith("backbone.") for key in moved)
        assert {"maps.audio.1.weight", "maps.image.1.weight"} <= moved
        assert method(batch).logits.shape == (8, CLASSES)

    def test_gradient_norms_of_encoders_are_noted(self, name: str) -> None:
        method = toy_method(name).train()
        train(method, toy_batch(), sgd(method))
        assert set(method.gradient_norms) == {"audio", "image"}

    def test_mixed_precision_changes_little(self, name: str) -> None:
        batch = toy_batch()
        batch = replace(batch, inputs={m: x.float() for m, x in batch.inputs.items()})
        losses = []
        for enabled in (False, True):
            method = toy_method(name).float().train()
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                losses += train(method, batch, sgd(method))
            assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())
        assert all(loss.dtype == torch.float32 for loss in losses)
        torch.testing.assert_close(losses[2:], losses[:2], rtol=0.1, atol=0.01)

    def test_absent_rows_train_nothing(self, name: str) -> None:
        method, batch = toy_method(name).train(), toy_batch()
        batch = replace(batch, present={**batch.present, "image": torch.zeros(8, dtype=torch.bool)})
        before = method.get_parameter("backbone.image_encoder.map.weight").clone()
        train(method, batch, sgd(method, weight_decay=0))
        assert torch.equal(method.get_parameter("backbone.image_encoder.map.weight"), before)


@pytest.mark.parametrize("name", ["concat", "late-fusion", "mmpareto", "recon-boost", "lfm"])
def test_three_modalities(name: str) -> None:
    method, batch = toy_method(name, THREE).train(), toy_batch(modalities=THREE)
    assert set(method(batch).per_modality) == set(THREE)
    train(method, batch, sgd(method))
    assert set(method.gradient_norms) == set(THREE)


def test_the_parts_of_concat_sum_to_its_scores() -> None:
    prediction = toy_method("concat", THREE)(toy_batch(modalities=THREE))
    torch.testing.assert_close(torch.stack(list(prediction.per_modality.values())).sum(dim=0), prediction.logits)


def test_mean_where_leaves_out_what_is_absent_and_is_zero_without_anything() -> None:
    values = torch.tensor([1.0, 5.0, float("inf")])
    assert mean_where(values, torch.tensor([True, True, False])) == 3.0
    assert mean_where(values, torch.zeros(3, dtype=torch.bool)) == 0.0


@pytest.mark.parametrize("name", ON_FEATURES)
def test_heads_start_as_published_where_asked_for(name: str) -> None:
    plain, xavier = toy_method(name), toy_method(name, head_init="xavier")
    before = {key: value.clone() for key, value in xavier.state_dict().items()}
    plain_before = {key: value.clone() for key, value in plain.state_dict().items()}
    for method in (plain, xavier):
        method.initialise()
    assert all(torch.equal(value, plain_before[key]) for key, value in plain.state_dict().items())
    changed = {key for key, value in xavier.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert not any(key.startswith("backbone.") for key in changed)
    for module_name, module in xavier.named_modules():
        if isinstance(module, torch.nn.Linear) and not module_name.startswith("backbone"):
            assert f"{module_name}.weight" in changed
            assert module.bias is None or not module.bias.any()


def test_xavier_has_the_spread_of_glorot_and_bengio() -> None:
    method = toy_method("concat", head_init="xavier")
    assert isinstance(method.head, torch.nn.Linear)
    method.head = torch.nn.Linear(300, 200)
    method.initialise()
    assert method.head.weight.std().item() == pytest.approx((2 / 500) ** 0.5, rel=0.02)
