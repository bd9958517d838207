"""The optimizer of a training: by its formula, and who chooses it."""

import pytest
import torch

from avbuild.errors import UsageError
from avtrain.backbones.registry import build_backbone
from avtrain.methods.finetune import Finetune
from avtrain.methods.registry import build_method
from avtrain.training.optimizer import make_optimizer, schedule
from avtrain.training.options import fit_config

TINY = {"width": 16, "layers": 1, "heads": 2, "image_size": 8, "audio_seconds": 0.25}


def test_sgd_has_momentum_and_weight_decay() -> None:
    method = build_method("linear-probe", {}, build_backbone("tiny", TINY), 2, 2)
    settings = fit_config({"backbone": "tiny", "optimizer": "sgd", "weight_decay": 1e-4, "lr": 0.1})
    optimizer = make_optimizer(method, settings)
    assert isinstance(optimizer, torch.optim.SGD)
    weight = method.get_parameter("head.slices.audio.1.weight")
    wanted, speed = weight.detach().double().clone(), torch.zeros_like(weight, dtype=torch.float64)
    for step in range(3):
        gradient = torch.full_like(weight, 0.5 + step)
        weight.grad = gradient
        optimizer.step()
        speed = 0.9 * speed + gradient.double() + 1e-4 * wanted
        wanted = wanted - 0.1 * speed
    torch.testing.assert_close(weight.detach().double(), wanted, rtol=1e-5, atol=1e-6)


def test_adamw_stays_the_default_and_methods_may_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = fit_config({"backbone": "tiny"})
    assert (plain.optimizer, plain.weight_decay) == ("adamw", 0.01)
    method = build_method("linear-probe", {}, build_backbone("tiny", TINY), 2, 2)
    assert isinstance(make_optimizer(method, plain), torch.optim.AdamW)
    monkeypatch.setattr(Finetune, "default_optimizer", "sgd")
    monkeypatch.setattr(Finetune, "default_weight_decay", 1e-4)
    chosen = fit_config({"backbone": "tiny"})
    assert (chosen.optimizer, chosen.weight_decay) == ("sgd", 1e-4)
    assert fit_config({"backbone": "tiny", "optimizer": "adamw"}).optimizer == "adamw"
    with pytest.raises(UsageError, match=r"optimizer: .*'adamw' or 'sgd'"):
        fit_config({"optimizer": "adam"})


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (6999, 1.0), (7000, 0.1), (9999, 0.1)])
def test_a_step_schedule_is_a_tenth_after_70_of_100_epochs(step: int, factor: float) -> None:
    assert schedule(step, 10_000, warmup=0.0, decay_at=0.7) == factor


def test_a_step_at_the_end_keeps_the_rate_and_a_rise_comes_before_it() -> None:
    assert {schedule(step, 50, warmup=0.0, decay_at=1.0) for step in range(50)} == {1.0}
    assert schedule(0, 100, warmup=0.1, decay_at=0.7) == schedule(0, 100, warmup=0.1) < 0.1


def test_the_schedule_stays_a_cosine_by_default() -> None:
    assert fit_config({"backbone": "tiny"}).schedule == "cosine"
    assert schedule(50, 100, warmup=0.0) == pytest.approx(0.5)
