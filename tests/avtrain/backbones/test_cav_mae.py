"""CAV-MAE: its size, its five modes against a plain reference, and methods on it."""

import math

import pytest
import torch
from torch import Tensor

from avtrain.backbones.base import Reading
from avtrain.backbones.cav_mae import CavMae
from avtrain.backbones.cav_mae_blocks import grid_positions
from avtrain.backbones.cav_mae_checkpoint import to_official
from avtrain.backbones.registry import build_backbone
from avtrain.data.batch import Batch
from avtrain.inference.export import export_program
from avtrain.inference.exportable import FeatureClassifier
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.registry import METHODS, build_method
from avtrain.methods.shared.embeddings import EmbeddingMethod
from avtrain.methods.shared.teacher import TaughtMethod
from avtrain.methods.shared.unimodal_features import UnimodalFeatures
from tests.avtrain.methods.test_all_methods import WITHOUT_STEPS
from tests.support.absent_rows import assert_absent_rows_do_not_matter
from tests.support.toys import fitted_to

CLASSES, SCENARIOS, WIDTH, HEADS = 5, 4, 192, 3
SMALL = {"size": "tiny", "layers": 1, "audio_frames": 32, "image_size": 32}  # 16 and 4 tokens
OPTIONS: dict[str, dict[str, object]] = {
    "finetune": {"mixup": 0.0},
    "prompt": {"heads": 2, "length": 3, "fusion_length": 2},
    "map": {"length": 4, "layers": 1, "kind": "attention"},
}


def batch_of(n: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    there = torch.ones(n, dtype=torch.bool)
    return Batch(
        inputs={
            "audio": torch.randn(n, 128, 32, generator=generator),
            "image": torch.randn(n, 3, 32, 32, generator=generator),
        },
        present={"audio": there, "image": there.clone()},
        labels=torch.arange(n) % CLASSES,
        scenario=torch.arange(n) % SCENARIOS,
        ids=tuple(map(str, range(n))),
    )


def small(**options: object) -> CavMae:
    torch.manual_seed(0)
    backbone = build_backbone("cav-mae", {**SMALL, **options})
    assert isinstance(backbone, CavMae)
    with torch.no_grad():  # norms and biases away from ones and zeros, so that each of them matters
        for parameter in backbone.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return backbone.eval()


def build(name: str, **options: object) -> Method:
    method = build_method(name, OPTIONS.get(name, {}), small(**options), CLASSES, SCENARIOS)
    with torch.no_grad():
        for key, parameter in method.named_parameters():
            if not key.startswith("backbone."):
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return fitted_to(method, batch_of(24, seed=1))


def normed(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def block(w: dict[str, Tensor], prefix: str, x: Tensor, kind: str = "") -> Tensor:
    """One published block on [N, D]: softmax attention a head, then the MLP; norms of one kind."""
    query, key, value = linear(w, f"{prefix}.attn.qkv", normed(w, f"{prefix}.norm1{kind}", x)).split(WIDTH, dim=1)
    per_head = WIDTH // HEADS
    heads = []
    for h in range(HEADS):
        cut = slice(h * per_head, (h + 1) * per_head)
        scores = (query[:, cut] @ key[:, cut].T / per_head**0.5).exp()
        heads.append(scores / scores.sum(dim=1, keepdim=True) @ value[:, cut])
    x = x + linear(w, f"{prefix}.attn.proj", torch.cat(heads, dim=1))
    hidden = linear(w, f"{prefix}.mlp.fc1", normed(w, f"{prefix}.norm2{kind}", x))
    return x + linear(w, f"{prefix}.mlp.fc2", hidden * (1 + torch.erf(hidden / 2**0.5)) / 2)


def patches(w: dict[str, Tensor], letter: str, picture: Tensor) -> Tensor:
    """Row by row, every 16 x 16 patch of [C, H, W] by the projection."""
    kernel = w[f"patch_embed_{letter}.proj.weight"].flatten(1)
    rows, columns = picture.shape[1] // 16, picture.shape[2] // 16
    cut = [
        picture[:, 16 * r : 16 * r + 16, 16 * c : 16 * c + 16].flatten() for r in range(rows) for c in range(columns)
    ]
    return torch.stack(cut) @ kernel.T + w[f"patch_embed_{letter}.proj.bias"]


def encoded(w: dict[str, Tensor], letter: str, picture: Tensor) -> Tensor:
    tokens = patches(w, letter, picture) + w[f"pos_embed_{letter}"][0] + w[f"modality_{letter}"][0]
    return block(w, f"blocks_{letter}.0", tokens)


def reference(w: dict[str, Tensor], mode: str, batch: Batch, row: int) -> Tensor:
    """The vector of one sample by one mode, in float64, written from the published formulas."""
    sound, picture = (batch.inputs[m][row].double() for m in ("audio", "image"))
    a, v = encoded(w, "a", sound[None]), encoded(w, "v", picture)
    if mode == "multimodal":
        return normed(w, "norm", block(w, "blocks_u.0", torch.cat([a, v]))).mean(0)
    letter, x = ("a", a) if "audio" in mode else ("v", v)
    own = normed(w, f"norm_{letter}", block(w, "blocks_u.0", x, f"_{letter}")).mean(0)
    unified = normed(w, "norm", block(w, "blocks_u.0", x)).mean(0)
    return (own + unified) / 2 if mode.startswith("missing") else own


@pytest.mark.parametrize("mode", ["multimodal", "audioonly", "videoonly", "missingaudioonly", "missingvideoonly"])
def test_each_mode_is_its_formula(mode: str) -> None:
    backbone, batch = small(), batch_of(2)
    w = {key: value.double() for key, value in to_official(backbone.state_dict()).items()}
    with torch.no_grad():
        found = backbone.joint(mode, backbone.encode(batch))  # type: ignore[arg-type]
    expected = torch.stack([reference(w, mode, batch, row) for row in range(2)])
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("missing", ["missing", "only"])
def test_each_row_goes_by_the_mode_of_what_it_has(missing: str) -> None:
    backbone, batch = small(missing=missing), batch_of(6)
    sound = torch.tensor([True, False, True, True, False, True])
    picture = torch.tensor([True, True, False, True, True, False])
    alone = {"missing": ("missingaudioonly", "missingvideoonly"), "only": ("audioonly", "videoonly")}[missing]
    modes = ["multimodal", alone[1], alone[0], "multimodal", alone[1], alone[0]]
    with torch.no_grad():
        tokens = backbone.encode(batch)
        found = backbone.pool(tokens, {"audio": sound, "image": picture})["joint"]
        for row, mode in enumerate(modes):
            single = {m: x[row : row + 1] for m, x in tokens.items()}
            torch.testing.assert_close(found[row : row + 1], backbone.joint(mode, single))  # type: ignore[arg-type]


def test_pooling_takes_reduced_tokens() -> None:
    backbone, batch = small(), batch_of(3)
    tokens = backbone.frozen_tokens(batch, Reading(most=4))
    assert {m: x.shape for m, x in tokens.items()} == {"audio": (3, 4, WIDTH), "image": (3, 4, WIDTH)}
    assert backbone.pool(tokens, batch.present)["joint"].shape == (3, WIDTH)


def test_it_has_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        method = build_method("finetune", {}, build_backbone("cav-mae", {}), 10, SCENARIOS)
    assert sum(p.numel() for p in method.parameters()) == 164_509_450
    assert sum(p.numel() for p in method.backbone.get_submodule("blocks_u").parameters()) == 7_094_016
    shapes = {m: tuple(method.backbone.encoder(m).get_parameter("pos_embed").shape) for m in ("audio", "image")}
    assert shapes == {"audio": (1, 512, 768), "image": (1, 196, 768)}


def test_grid_positions_tell_column_then_row() -> None:
    table = grid_positions(3, 5, 8)[0]
    assert table.shape == (15, 8)
    column, row = 4.0, 2.0
    angles = torch.tensor([column, column / 100]), torch.tensor([row, row / 100])
    expected = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)])
    torch.testing.assert_close(table[14], expected)


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethodOnIt:
    def test_what_stands_in_an_absent_row_does_not_matter(self, name: str) -> None:
        assert_absent_rows_do_not_matter(build(name), batch_of(4))

    def test_a_step_lowers_the_loss_and_moves_no_frozen_weight(self, name: str) -> None:
        method, batch = build(name).train(), batch_of(4)
        frozen = {key: p.clone() for key, p in method.named_parameters() if not p.requires_grad}
        trains_all = name == "finetune" or issubclass(METHODS[name], UnimodalFeatures)
        optimizer = torch.optim.AdamW(method.parameter_groups(1e-3 if trains_all else 1e-2))
        # a step of these hides modalities at random, so the means of several are compared
        steps, few = (40, 10) if issubclass(METHODS[name], EmbeddingMethod | TaughtMethod) else (8, 1)
        losses = []
        for step in range(steps):
            method.progress = TrainingProgress(1, 1, step, steps)
            losses.append(method.training_step(batch, optimizer).item())
        second = math.ceil(method.teacher_share * steps) if isinstance(method, TaughtMethod) else 0  # another loss
        assert sum(losses[-few:]) < sum(losses[second : second + few]) or name in WITHOUT_STEPS
        now = dict(method.named_parameters())
        assert all(torch.equal(now[key], old) for key, old in frozen.items())
        assert bool(frozen) != trains_all


def test_a_gradient_reaches_prompts_and_adapters_through_the_joint_block() -> None:
    for name in ("prompt", "map", "adapter"):
        method, batch = build(name), batch_of(4)
        method.loss(batch).backward()
        untouched = [key for key, p in method.named_parameters() if p.requires_grad and p.grad is None]
        assert untouched == [], name


@pytest.mark.parametrize("missing", ["missing", "only"])
def test_it_can_be_exported_with_absent_modalities(missing: str) -> None:
    method = build("finetune", missing=missing).eval()
    program = export_program(FeatureClassifier(method)).module()
    for gone in ("audio", "image"):
        batch = batch_of(3)
        batch.present[gone][1] = False
        there = {f"{m}_present": flags for m, flags in batch.present.items()}
        torch.testing.assert_close(program(**batch.inputs, **there), method(batch).logits, rtol=1e-4, atol=1e-5)
