"""Mixup and averaged weights: what is blended with what, and the mean that is saved."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from avtrain.methods.shared.mixup import mix
from avtrain.methods.shared.recipe import Recipe, recipe_loss
from avtrain.training.weight_averaging import WeightAverage
from tests.avtrain.methods.test_all_methods import CLASSES, batch_of, build


def test_inputs_tokens_and_targets_are_blended_by_one_weight() -> None:
    torch.manual_seed(0)
    batch = replace(batch_of(12), tokens={"audio": torch.randn(12, 3, 4)})
    mixed, blend = mix(batch, rate=1.0, concentration=1.0)
    assert ((blend.weight >= 0) & (blend.weight <= 1)).all()
    for row in range(12):
        w, other = blend.weight[row], blend.partner[row]
        for before, after in (*zip(batch.inputs.values(), mixed.inputs.values(), strict=True),
                              (batch.tokens["audio"], mixed.tokens["audio"])):  # fmt: skip
            torch.testing.assert_close(after[row], w * before[row] + (1 - w) * before[other])
    targets = blend(one_hot(batch.labels, CLASSES).float())
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(12))
    assert torch.equal(mixed.labels, batch.labels)


def test_a_rate_is_the_part_that_is_blended_and_none_leaves_all_as_it_is() -> None:
    torch.manual_seed(0)
    batch = batch_of(2000 // 8 * 8)
    _, blend = mix(batch, rate=0.3, concentration=10.0)
    assert float((blend.weight < 1).float().mean()) == pytest.approx(0.3, abs=0.05)
    near_half = blend.weight[blend.weight < 1]
    assert float(near_half.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(near_half.std()) == pytest.approx((0.25 / 21) ** 0.5, rel=0.2)  # of Beta(10, 10)
    still, none = mix(batch, rate=0.0, concentration=1.0)
    assert (none.weight == 1).all()
    assert torch.equal(still.inputs["audio"], batch.inputs["audio"])


def test_only_samples_with_the_same_modalities_are_blended() -> None:
    torch.manual_seed(0)
    batch = batch_of(64)
    there = torch.arange(64) % 3 > 0
    batch = replace(batch, present={**batch.present, "audio": there})
    _, blend = mix(batch, rate=1.0, concentration=1.0)
    blended = blend.weight < 1
    assert blended.any()
    assert torch.equal(there[blended], there[blend.partner[blended]])


def test_the_recipes_loss_without_any_of_it_is_plain_cross_entropy() -> None:
    method, batch = build("finetune"), batch_of(8)
    plain = Recipe(mixup=0.0, label_smoothing=0.0, unimodal_loss=0.0)
    expected = nn.functional.cross_entropy(method(batch).logits, batch.labels)
    torch.testing.assert_close(recipe_loss(method, batch, CLASSES, plain), expected)


def test_label_smoothing_is_its_formula() -> None:
    torch.manual_seed(0)
    method, batch = build("finetune"), batch_of(8)
    recipe = Recipe(mixup=1.0, label_smoothing=0.1, unimodal_loss=0.0)
    state = torch.get_rng_state()
    found = recipe_loss(method, batch, CLASSES, recipe)
    torch.set_rng_state(state)
    mixed, blend = mix(batch, 1.0, 10.0)
    targets = blend(one_hot(batch.labels, CLASSES).double()) * 0.9 + 0.1 / CLASSES
    expected = -(targets * method(mixed).logits.double().log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


def test_the_average_is_the_mean_over_what_was_added_and_leaves_the_model_its_own_weights() -> None:
    model = nn.Linear(3, 2)
    model.bias.requires_grad = False
    average, seen = WeightAverage(), []
    with average.applied(model):
        pass  # nothing added yet: nothing changes
    for step in range(4):
        with torch.no_grad():
            model.weight.copy_(torch.full((2, 3), float(step**2)))
        seen.append(model.weight.double().clone())
        average.add(model)
    own, bias = model.weight.clone(), model.bias.clone()
    with average.applied(model):
        torch.testing.assert_close(model.weight.double(), torch.stack(seen).mean(dim=0))
    assert torch.equal(model.weight, own)
    assert torch.equal(model.bias, bias)
    assert set(average.mean) == {"weight"}  # what is not trained is not kept twice


def test_an_average_goes_on_from_its_state() -> None:
    model, whole, stopped = nn.Linear(3, 2), WeightAverage(), WeightAverage()
    for step in range(4):
        with torch.no_grad():
            model.weight.add_(torch.randn(2, 3))
        whole.add(model)
        stopped.add(model)
        if step == 1:
            resumed = WeightAverage()
            state = stopped.state()
            resumed.restore(state["count"], state["mean"], torch.device("cpu"))  # type: ignore[arg-type]
            stopped = resumed
    assert all(torch.equal(whole.mean[name], stopped.mean[name]) for name in whole.mean)
