"""Blocks that are computed again or compiled: the same gradients, the same names."""

import pytest
import torch

from avtrain.backbones.checkpointing import compile_blocks, recompute_blocks
from avtrain.training.options import fit_config
from tests.avtrain.distributed.test_torchrun import gradients, method_and_batch

VARIANTS = ("finetune", "lora dropout", "map", "map attention", "prompt input", "prompt deep", "adapter")


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_computed_again_gives_the_same_gradients(name: str) -> None:
    kept, batch = method_and_batch(name)
    again, _ = method_and_batch(name)
    recompute_blocks(again.backbone)
    expected, got = gradients(kept, batch), gradients(again, batch)
    assert {key for key, value in expected.items() if value is None} == {k for k, v in got.items() if v is None}
    for key, value in expected.items():
        if value is not None:
            torch.testing.assert_close(got[key], value, rtol=0, atol=0, msg=key)


def test_a_block_runs_again_for_its_gradient_and_once_without_one() -> None:
    method, batch = method_and_batch("finetune")
    recompute_blocks(method.backbone)
    calls: list[int] = []
    method.backbone.encoder("audio").sublayers()[0].register_forward_hook(lambda *_: calls.append(1))
    loss = method.loss(batch)
    assert len(calls) == 1
    loss.backward()  # type: ignore[no-untyped-call]
    assert len(calls) == 2
    with torch.no_grad():
        method(batch)
    assert len(calls) == 3


def test_neither_changes_the_names_of_weights() -> None:
    method, _ = method_and_batch("finetune")
    names = list(method.state_dict())
    recompute_blocks(method.backbone)
    compile_blocks(method.backbone)
    assert list(method.state_dict()) == names
    blocks = [block for m in method.backbone.modalities for block in method.backbone.encoder(m).blocks()]
    assert all(block._compiled_call_impl is not None for block in blocks)


def test_both_are_off_unless_asked_for() -> None:
    assert not fit_config({}).checkpointing
    assert not fit_config({}).compile
    assert fit_config({"checkpointing": True}).checkpointing
