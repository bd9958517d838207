"""The optimizer of a training: by its formula, and who chooses it."""

import pytest
import torch

from avbuild.errors import UsageError
from avtrain.backbones.registry import build_backbone
from avtrain.methods.finetune import Finetune
from avtrain.methods.registry import build_method
from avtrain.training.optimizer import make_optimizer
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
