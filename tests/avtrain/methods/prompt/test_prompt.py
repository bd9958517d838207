"""Prompt learning: whose prompts a sample gets, told, side by side, or mixed by the router."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from avbuild.errors import UsageError
from avtrain.backbones.registry import build_backbone
from avtrain.methods.base import Method
from avtrain.methods.prompt.cross_attention import PromptedCrossAttention
from avtrain.methods.prompt.prompt import Prompt
from avtrain.methods.prompt.prompt_sets import PromptSets
from avtrain.methods.prompt.router import Router
from avtrain.methods.registry import build_method
from tests.avtrain.methods.test_all_methods import CLASSES, OPTIONS, SCENARIOS, SMALL, batch_of, build

DEPTHS = ("fusion", "input", "deep")


def prompt(depth: str = "fusion", inference: str = "oracle", shaken: bool = True, **more: object) -> Method:
    torch.manual_seed(0)
    options = {**OPTIONS["prompt"], "depth": depth, "below": 0.0, "inference": inference, **more}
    method = build_method("prompt", options, build_backbone("tiny", SMALL | {"layers": 2}), CLASSES, SCENARIOS)
    with torch.no_grad():
        for parameter in method.parameters() if shaken else ():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return method.eval()


def sets(method: Method) -> dict[str, nn.Parameter]:
    return {key: p for key, p in method.named_parameters() if key.endswith(".sets")}


@pytest.mark.parametrize("depth", DEPTHS)
def test_told_its_scenario_a_sample_uses_that_scenarios_prompts_alone(depth: str) -> None:
    method, batch = prompt(depth), batch_of(8)
    before = method(batch).logits
    assert {tuple(p.shape[:1]) for p in sets(method).values()} == {(SCENARIOS,)}
    with torch.no_grad():
        for p in sets(method).values():
            p[2] += 1.0
    changed = (before - method(batch).logits).abs().amax(dim=1) > 1e-6
    assert torch.equal(changed, batch.scenario == 2)


@pytest.mark.parametrize("inference", ["concat", "router"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_nothing_is_told_to_the_other_ways_of_inference(depth: str, inference: str) -> None:
    method, batch = prompt(depth, inference), batch_of(8)
    elsewhere = replace(batch, scenario=(batch.scenario + 1) % SCENARIOS)
    assert torch.equal(method(batch).logits, method(elsewhere).logits)
    with torch.no_grad():
        before = method(batch).logits
        for p in sets(method).values():
            p[2] += 1.0
    assert ((before - method(batch).logits).abs().amax(dim=1) > 1e-6).all()


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_gradient_reaches_every_prompt_of_the_scenarios_seen_and_the_router(depth: str) -> None:
    method, batch = prompt(depth), batch_of(8)
    method.loss(replace(batch, scenario=torch.full((8,), 1))).backward()
    for key, p in sets(method).items():
        moved = p.grad.abs().sum(dim=(1, 2))
        assert moved[1] > 0, key
    expected = {"fusion": 4, "input": 4 + 2, "deep": 4 + 2 * 2}[depth]  # of two layers each
    assert len(sets(method)) == expected
    assert all(p.grad.abs().sum() > 0 for key, p in method.named_parameters() if "router.maps" in key)


def test_the_router_mixes_the_sets_by_its_weights() -> None:
    torch.manual_seed(0)
    one = PromptSets(SCENARIOS, 3, 8).double()
    with torch.no_grad():
        one.sets.copy_(torch.randn_like(one.sets))
    choice = torch.rand(5, SCENARIOS, dtype=torch.float64).softmax(dim=1)
    expected = [sum(w * p for w, p in zip(row, one.sets, strict=True)) for row in choice]
    torch.testing.assert_close(one(choice, 5), torch.stack(expected))
    side_by_side = one(None, 2)
    assert side_by_side.shape == (2, SCENARIOS * 3, 8)
    assert torch.equal(side_by_side[1, 3:6], one.sets[1])


def test_the_mixture_sums_to_one_and_is_reported() -> None:
    method, batch = prompt(inference="router"), batch_of(6)
    choice = method(batch).choice
    assert choice.shape == (6, SCENARIOS)
    torch.testing.assert_close(choice.sum(dim=1), torch.ones(6))
    method.inference = "oracle"
    assert method(batch).choice is None


def test_prompts_join_keys_and_values_behind_their_projections() -> None:
    """Against softmax attention written out, in float64."""
    torch.manual_seed(0)
    fusion = PromptedCrossAttention(SCENARIOS, 8, 2, 3).double()
    with torch.no_grad():
        for p in fusion.parameters():
            p.copy_(torch.randn_like(p))
    tokens, context = torch.randn(1, 4, 8, dtype=torch.float64), torch.randn(1, 5, 8, dtype=torch.float64)
    visible = torch.tensor([[True, True, False, True, True]])
    choice = torch.tensor([[0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    seen = fusion.norm_context(context)[0][visible[0]]
    key = torch.cat([fusion.key_prompts.sets[1], seen @ fusion.key.weight.T + fusion.key.bias])
    value = torch.cat([fusion.value_prompts.sets[1], seen @ fusion.value.weight.T + fusion.value.bias])
    query = fusion.query(fusion.norm_query(tokens))[0]
    mixed = []
    for head in (slice(0, 4), slice(4, 8)):
        weights = (query[:, head] @ key[:, head].T / 2).softmax(dim=1)
        mixed.append(weights @ value[:, head])
    expected = tokens + fusion.output(torch.cat(mixed, dim=1))[None]
    torch.testing.assert_close(fusion(tokens, context, visible, choice), expected)


def test_what_an_absent_modality_holds_does_not_move_the_router() -> None:
    torch.manual_seed(0)
    router = Router({"audio": 4, "image": 4}, 6, SCENARIOS)
    there = {"audio": torch.tensor([True, False]), "image": torch.tensor([True, True])}
    pooled = {"audio": torch.randn(2, 4), "image": torch.randn(2, 4)}
    other = {**pooled, "audio": torch.stack([pooled["audio"][0], torch.randn(4)])}
    assert torch.equal(router(pooled, there), router(other, there))


def test_without_prompts_of_its_own_yet_it_begins_where_the_fine_tuned_run_ended() -> None:
    tuned, batch = build("finetune", seed=1), batch_of(6)
    method = build_method("prompt", {**OPTIONS["prompt"]}, build_backbone("tiny", SMALL), CLASSES, SCENARIOS)
    method.backbone.load_state_dict(tuned.backbone.state_dict())
    method.load_initial_weights(tuned.state_dict())
    torch.testing.assert_close(method.eval()(batch).logits, tuned(batch).logits)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UsageError, match=r"method\.heads is 7, but must divide"):
        build_method("prompt", {"heads": 7}, build_backbone("tiny", SMALL), CLASSES, SCENARIOS)


@pytest.mark.parametrize("below", [0.0, 0.5])
@pytest.mark.parametrize("depth", DEPTHS)
def test_tokens_from_the_cache_give_what_inputs_give(depth: str, below: float) -> None:
    torch.manual_seed(0)
    options = {**OPTIONS["prompt"], "depth": depth, "below": below}
    method = build_method("prompt", options, build_backbone("tiny", SMALL | {"layers": 2}), CLASSES, SCENARIOS).eval()
    batch = batch_of(4)
    assert method.reading is not None
    cached = replace(batch, inputs={}, tokens=method.backbone.frozen_tokens(batch, method.reading))
    assert torch.equal(method(cached).logits, method(batch).logits)


def test_prompts_in_the_upper_half_leave_the_lower_layers_alone() -> None:
    method = build_method(
        "prompt",
        {**OPTIONS["prompt"], "depth": "deep", "below": 0.5},
        build_backbone("tiny", SMALL | {"layers": 4}),
        CLASSES,
        SCENARIOS,
    )
    assert len([key for key in sets(method) if key.startswith("input_prompts.audio")]) == 2


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_shared_set_serves_every_scenario(depth: str) -> None:
    method, batch = prompt(depth, sets="shared"), batch_of(8)
    assert {p.shape[0] for p in sets(method).values()} == {1}
    elsewhere = replace(batch, scenario=(batch.scenario + 1) % SCENARIOS)
    assert torch.equal(method(batch).logits, method(elsewhere).logits)
    assert not method.swappable


@pytest.mark.parametrize("inference", ["oracle", "concat", "router"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_forced_set_replaces_any_choice(depth: str, inference: str) -> None:
    method, batch = prompt(depth, inference), batch_of(8)
    method.forced_set = 1
    forced = method(batch).logits
    method.forced_set, method.inference = None, "oracle"
    told = method(replace(batch, scenario=torch.ones_like(batch.scenario))).logits
    assert torch.equal(forced, told)


@pytest.mark.parametrize("depth", ["input", "deep"])
def test_as_published_trains_each_set_on_its_own_scenario_and_nothing_else(depth: str) -> None:
    method, batch = prompt(depth, training="as_published"), batch_of(8)
    method.load_initial_weights({f"head.{key}": value for key, value in method.head.state_dict().items()})
    only = replace(batch, scenario=torch.full_like(batch.scenario, 2))
    method.zero_grad()
    method.loss(only).backward()
    trained = {name for name, p in method.named_parameters() if p.grad is not None and p.grad.any()}
    assert trained
    assert all(name.endswith(".sets") or name.startswith("router.") for name in trained)
    for p in sets(method).values():
        assert p.grad is not None
        assert [bool(rows.any()) for rows in p.grad] == [s == 2 for s in range(SCENARIOS)]


def test_as_published_needs_prompts_inside_the_encoders_and_a_head() -> None:
    with pytest.raises(UsageError, match="depth=input or deep"):
        prompt("fusion", training="as_published")
    with pytest.raises(UsageError, match="--init-from"):
        prompt("deep", training="as_published").load_initial_weights({})


def test_the_router_learns_from_samples_that_are_not_blended() -> None:
    method, batch = prompt("fusion", mixup=1.0), batch_of(8)
    seen = []
    method.router.register_forward_hook(lambda _module, _given, result: seen.append(result.detach()))
    torch.manual_seed(1)
    method.loss(batch)
    torch.manual_seed(2)  # other partners and weights
    method.loss(batch)
    assert torch.equal(seen[0], seen[1])


def test_parameters_are_in_one_group_each_and_the_router_has_its_own_rate() -> None:
    method = prompt("deep", router_lr=3.0)
    groups = method.parameter_groups(0.1)
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in method.parameters() if p.requires_grad)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert all(rates[id(p)] == pytest.approx(0.3) for p in method.router.parameters())


def test_the_maps_of_the_fusion_hardly_move_on_a_backbone_that_a_run_has_trained() -> None:
    def rate(method: Prompt) -> float:
        (found,) = {g["lr"] for g in method.parameter_groups(0.1) for p in g["params"] if p is query}
        return float(found)

    method = prompt("fusion")
    query = next(p for name, p in method.fusion.named_parameters() if not name.endswith(".sets"))
    method.load_initial_weights({})  # no --init-from
    assert rate(method) == pytest.approx(0.1)
    method.load_initial_weights(method.state_dict())
    assert rate(method) == pytest.approx(0.0001)
    method.config = method.config.model_copy(update={"fusion_lr": 0.5})
    assert rate(method) == pytest.approx(0.05)
