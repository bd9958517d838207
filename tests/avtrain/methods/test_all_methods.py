"""What methods promise: absent modalities have no influence, frozen weights stay, prompts are their scenario's own."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avbuild.errors import UsageError
from avtrain.backbones.registry import build_backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction, mean_over_present
from avtrain.methods.registry import METHODS, build_method
from avtrain.methods.shared.head import joint_and_unimodal_loss
from avtrain.methods.shared.teacher import TaughtMethod
from avtrain.runs.weights import backbone_weights
from tests.support.absent_rows import assert_absent_rows_do_not_matter
from tests.support.toys import fitted_to, train

CLASSES, SCENARIOS = 5, 4
SMALL = {"width": 24, "layers": 1, "heads": 2, "image_size": 16, "patch": 4, "audio_seconds": 0.5}
OPTIONS = {
    "prompt": {"heads": 2, "length": 3, "fusion_length": 2},
    "map": {"length": 3, "layers": 1},
    "map attention": {"kind": "attention", "length": 4, "layers": 1},
    "lora": {"rank": 3},
    "cpm-net": {"test_steps": 5},  # each step is traced by the export
    "spiking": {"heads": 2, "steps": 2},
    "spiking trained": {"heads": 2, "steps": 2, "freeze": False},
}
WITHOUT_STEPS = ("cca", "cpm-net")  # solved in closed form at the end of an epoch
VARIANTS = [*METHODS, *(name for name in OPTIONS if name not in METHODS)]  # a method, and a word for its options


def batch_of(n: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    there = torch.ones(n, dtype=torch.bool)
    return Batch(
        inputs={
            "audio": torch.randn(n, 80, 50, generator=generator),
            "image": torch.randn(n, 3, 16, 16, generator=generator),
        },
        present={"audio": there, "image": there.clone()},
        labels=torch.arange(n) % CLASSES,
        scenario=torch.arange(n) % SCENARIOS,
        ids=tuple(map(str, range(n))),
    )


def build(name: str, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    options = OPTIONS.get(name, {})
    method = build_method(name.split(maxsplit=1)[0], options, build_backbone("tiny", SMALL), CLASSES, SCENARIOS)
    with torch.no_grad():  # away from zero-initialised maps, so that every path matters
        for parameter in method.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return fitted_to(method, batch_of(24, seed=1))


@pytest.mark.parametrize("name", VARIANTS)
class TestEveryMethod:
    def test_what_stands_in_an_absent_row_does_not_matter(self, name: str) -> None:
        assert_absent_rows_do_not_matter(build(name), batch_of(6))

    def test_a_prediction_does_not_depend_on_its_batch(self, name: str) -> None:
        method, batch = build(name), batch_of(6)
        whole = method(batch).logits
        for index in range(6):
            alone = Batch(
                {m: x[index : index + 1] for m, x in batch.inputs.items()},
                {m: x[index : index + 1] for m, x in batch.present.items()},
                batch.labels[index : index + 1],
                batch.scenario[index : index + 1],
                batch.ids[index : index + 1],
            )
            torch.testing.assert_close(method(alone).logits[0], whole[index], rtol=1e-4, atol=1e-5)

    def test_a_step_lowers_the_loss_and_moves_only_what_is_trained(self, name: str) -> None:
        method, batch = build(name).train(), batch_of(8)
        if not any(p.requires_grad for p in method.parameters()):
            assert name in WITHOUT_STEPS
            return
        frozen = {key: p.clone() for key, p in method.named_parameters() if not p.requires_grad}
        trained = {key: p.clone() for key, p in method.named_parameters() if p.requires_grad}
        optimizer = torch.optim.AdamW(method.parameter_groups(1e-2))
        second = math.ceil(method.teacher_share * 24) if isinstance(method, TaughtMethod) else 0
        losses = train(method, batch, optimizer, steps=24 if second else 12)
        assert losses[-1] < losses[second]
        assert second == 0 or losses[second - 1] < losses[0]  # the teacher's loss is another one
        now = dict(method.named_parameters())
        assert all(torch.equal(now[key], old) for key, old in frozen.items())
        assert [key for key, old in trained.items() if torch.equal(now[key], old)] == []

    def test_its_groups_hold_every_trained_weight_once(self, name: str) -> None:
        method = build(name)
        grouped = [id(p) for group in method.parameter_groups(1.0) for p in group["params"]]
        assert sorted(grouped) == sorted(id(p) for p in method.parameters() if p.requires_grad)

    def test_its_docstring_tells_its_source(self, name: str) -> None:
        method = METHODS[name.split(maxsplit=1)[0]]
        assert method.source.split(",")[0].split(" ")[0] in (method.__doc__ or "")

    def test_an_unknown_option_is_named_with_those_there_are(self, name: str) -> None:
        name = name.split(maxsplit=1)[0]
        with pytest.raises(UsageError, match=f"method {name}.*\n.*depht: unknown option"):
            build_method(name, {"depht": 1}, build_backbone("tiny", SMALL), CLASSES, SCENARIOS)


@pytest.mark.parametrize("name", ["prompt", "linear-probe", "adapter", "map", "map attention", "spiking"])
def test_the_backbone_is_frozen(name: str) -> None:
    trained = [key for key, p in build(name).backbone.named_parameters() if p.requires_grad]
    assert all(".adapters." in key for key in trained)
    assert bool(trained) == (name == "adapter")


def test_fine_tuning_trains_everything_and_the_head_faster() -> None:
    method = build("finetune")
    assert all(p.requires_grad for p in method.parameters())
    backbone, head = method.parameter_groups(1e-4)
    assert head["lr"] == pytest.approx(10 * backbone["lr"])


def test_a_head_for_other_classes_starts_anew() -> None:
    other = build_method("finetune", {}, build_backbone("tiny", SMALL), CLASSES + 1, SCENARIOS)
    method = build("prompt")
    before = {key: value.clone() for key, value in method.state_dict().items() if ".1." in key and "slices" in key}
    assert before
    method.load_initial_weights(other.state_dict())
    assert all(torch.equal(method.state_dict()[key], value) for key, value in before.items())


@given(st.lists(st.tuples(st.booleans(), st.booleans()).filter(any), min_size=1, max_size=6))
@settings(deadline=None)
def test_the_mean_is_over_those_present(there: list[tuple[bool, bool]]) -> None:
    present = {m: torch.tensor([row[i] for row in there]) for i, m in enumerate(("audio", "image"))}
    values = {"audio": torch.full((len(there), 2), 1.0), "image": torch.full((len(there), 2), 3.0)}
    values["audio"][~present["audio"]] = torch.nan
    values["image"][~present["image"]] = torch.inf
    expected = [[{(True, True): 2.0, (True, False): 1.0, (False, True): 3.0}[row]] * 2 for row in there]
    assert mean_over_present(values, present).tolist() == expected


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_unimodal_loss_counts_each_modality_where_it_is_present(weight: float) -> None:
    generator = torch.Generator().manual_seed(1)
    batch = batch_of(6)
    there = torch.tensor([True, False, True, True, False, True])
    batch = replace(batch, present={"audio": there, "image": torch.ones(6, dtype=torch.bool)})
    logits = {m: torch.randn(6, CLASSES, generator=generator, dtype=torch.float64) for m in ("audio", "image")}
    joint = mean_over_present(logits, batch.present)

    def reference(z: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return -z.log_softmax(dim=1)[torch.arange(6), batch.labels][rows].mean()

    everyone = torch.ones(6, dtype=torch.bool)
    expected = reference(joint, everyone)
    expected = expected + weight * (reference(logits["audio"], there) + reference(logits["image"], everyone))
    got = joint_and_unimodal_loss(Prediction(joint, logits), batch, weight)
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-6)


def test_adapters_start_from_the_backbone_and_stand_behind_every_sublayer() -> None:
    torch.manual_seed(3)
    backbone, batch = build_backbone("tiny", {**SMALL, "layers": 2}), batch_of(4)
    with torch.no_grad():
        plain = backbone.encode(batch)
    method = build_method("adapter", {"bottleneck": 5}, backbone, CLASSES, SCENARIOS)
    for modality, tokens in method.backbone.encode(batch).items():
        torch.testing.assert_close(tokens, plain[modality])
    stacks = {m: method.backbone.encoder(m).get_submodule("adapters") for m in method.backbone.modalities}
    assert {m: len(list(stack.children())) for m, stack in stacks.items()} == {"audio": 4, "image": 4}
    adapters = {key: p for key, p in method.named_parameters() if ".adapters." in key}
    per_adapter = 2 * 24 * 5 + 5 + 24
    assert sum(p.numel() for p in adapters.values()) == 8 * per_adapter
    method.loss(batch).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for key, p in adapters.items() if "up.weight" in key)


def test_adapters_go_where_the_backbone_goes() -> None:
    method, batch = (
        build_method("adapter", {"bottleneck": 5}, build_backbone("tiny", SMALL), CLASSES, SCENARIOS),
        batch_of(4),
    )
    with torch.no_grad():
        for parameter in method.backbone.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    weights = backbone_weights(method.state_dict())
    backbone = build_backbone("tiny", SMALL, weights)
    for modality, tokens in method.backbone.encode(batch).items():
        assert torch.equal(backbone.encode(batch)[modality], tokens)
    prompt = build_method("prompt", {"heads": 2}, backbone, CLASSES, SCENARIOS)
    assert not any(p.requires_grad for p in prompt.backbone.parameters())
    again = build_method("adapter", {"bottleneck": 5}, build_backbone("tiny", SMALL, weights), CLASSES, SCENARIOS)
    assert again.state_dict().keys() == method.state_dict().keys()
    with pytest.raises(UsageError, match=r"adapters of width 5; set method\.bottleneck=5, not 48"):
        build_method("adapter", {}, build_backbone("tiny", SMALL, weights), CLASSES, SCENARIOS)


@pytest.mark.parametrize("name", ["map", "map attention"])
def test_missing_aware_prompts_are_those_of_the_samples_own_pattern(name: str) -> None:
    method, batch = build(name), batch_of(6)
    no_sound = torch.tensor([True, False, True, True, False, True])
    batch = replace(batch, present={"audio": no_sound, "image": torch.ones(6, dtype=torch.bool)})
    before = method(batch).logits
    with torch.no_grad():
        for p in method.get_submodule("prompts").parameters():
            p[2] += torch.randn_like(p[2])  # bit 1 alone: the picture is there, the sound is not
    changed = (method(batch).logits - before).abs().amax(dim=1) > 1e-6
    assert torch.equal(changed, ~no_sound)


def test_the_prompts_of_all_patterns_start_as_one() -> None:
    method = build_method("map", OPTIONS["map"], build_backbone("tiny", SMALL), CLASSES, SCENARIOS)
    for p in method.get_submodule("prompts").parameters():
        assert torch.equal(p, p[:1].expand_as(p))
