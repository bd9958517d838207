"""Updates of LoRA and adapters in the joint block of CAV-MAE, and runs of the version that had none there."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from avbuild.errors import UserError
from avtrain.backbones.registry import build_backbone
from avtrain.methods.base import Method
from avtrain.methods.registry import build_method, merged_weights
from avtrain.runs.folder import Run
from avtrain.runs.weights import backbone_weights
from avtrain.training.checkpoint import TrainingState, fingerprints_of
from tests.avtrain.backbones.test_cav_mae import CLASSES, SCENARIOS, SMALL, WIDTH, batch_of, build


def shaken(name: str) -> Method:
    method = build(name)
    with torch.no_grad():
        for parameter in method.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return method


@pytest.mark.parametrize("part", ["qkv", "proj"])
def test_lora_updates_the_joint_block(part: str) -> None:
    method = shaken("lora")
    layer = method.backbone.get_submodule(f"blocks_u.0.attn.{part}")
    w = {name: p.detach().double() for name, p in layer.named_parameters()}
    x = torch.randn(4, WIDTH, dtype=torch.float64)
    update = 2 * x @ w["lora_A.default.weight"].T @ w["lora_B.default.weight"].T  # alpha / rank = 16 / 8
    expected = x @ w["base_layer.weight"].T + w["base_layer.bias"] + update
    torch.testing.assert_close(layer(x.float()).double(), expected, rtol=1e-4, atol=1e-4)
    assert [p.requires_grad for p in layer.parameters()] == [False, False, True, True]


def test_adapters_stand_in_the_joint_block_in_every_pass() -> None:
    method, batch = shaken("adapter"), batch_of(4)
    block, calls = method.backbone.get_submodule("blocks_u.0"), []
    for index, name in enumerate(("attn", "mlp")):
        adapter = method.backbone.get_submodule(f"shared_blocks.adapters.{index}")
        adapter.register_forward_hook(lambda _, inputs, output, name=name: calls.append((name, inputs[0], output)))
    x = torch.randn(2, 3, WIDTH)
    out = block(x, norms="_a")
    (_, attended, adapted), (_, mapped, adapted_map) = calls
    torch.testing.assert_close(out, x + adapted + adapted_map)
    for before, after, index in ((attended, adapted, 0), (mapped, adapted_map, 1)):
        adapter = method.backbone.get_submodule(f"shared_blocks.adapters.{index}")
        w = {k: v.detach().double() for k, v in adapter.named_parameters()}
        hidden = before.detach().double() @ w["down.weight"].T + w["down.bias"]
        expected = before.double() + torch.nn.functional.gelu(hidden) @ w["up.weight"].T + w["up.bias"]
        torch.testing.assert_close(after.double(), expected, rtol=1e-4, atol=1e-4)
    calls.clear()
    method(batch)
    assert [name for name, *_ in calls] == ["attn", "mlp"]


def as_of_version_0_1(name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a run whose joint block had neither updates nor adapters."""
    if name == "adapter":
        return {key: value for key, value in weights.items() if "shared_blocks" not in key}
    joint = "backbone.blocks_u."
    kept = {key: value for key, value in weights.items() if not (key.startswith(joint) and ".lora_" in key)}
    return {key.replace(".base_layer.", ".") if key.startswith(joint) else key: value for key, value in kept.items()}


@pytest.mark.parametrize("name", ["lora", "adapter"])
def test_weights_of_earlier_runs_still_load(name: str) -> None:
    method, batch = shaken(name), batch_of(6)
    with torch.no_grad():  # what changes nothing in the joint block is what an earlier version had there
        for key, parameter in method.named_parameters():
            if key.startswith(("backbone.blocks_u.", "backbone.shared_blocks.")) and (
                ".lora_B." in key or ".up." in key
            ):
                parameter.zero_()
    expected, old = method(batch).logits, as_of_version_0_1(name, method.state_dict())
    assert len(old) < len(method.state_dict())
    merged = backbone_weights(merged_weights(name, {}, old))
    other = build_method(name, {}, build_backbone("cav-mae", SMALL, merged), CLASSES, SCENARIOS).eval()
    other.load_run_weights(old)
    torch.testing.assert_close(other(batch).logits, expected)
    old.pop(next(key for key in old if key.startswith("head")))
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_run_weights(old)


@pytest.mark.parametrize("name", ["lora", "adapter"])
def test_an_unfinished_earlier_run_is_not_continued(name: str, tmp_path: Path) -> None:
    method, run = build(name), Run(tmp_path)
    trained = [p for key, p in method.named_parameters() if p.requires_grad]
    state = TrainingState(method, torch.optim.SGD(trained, lr=0.1), fingerprints_of(method, {}))
    earlier = TrainingState(method, torch.optim.SGD(trained[:-4], lr=0.1), fingerprints_of(method, {}))
    run.save_state(earlier.as_dict())
    with pytest.raises(UserError, match=f"trained {len(trained) - 4} weight tensors of method {name} where this one"):
        state.restore(run)
