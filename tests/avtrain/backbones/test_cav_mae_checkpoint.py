"""Checkpoints of CAV-MAE: the published key layout, read unchanged, and refused with what to do."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from avbuild.errors import UsageError, UserError
from avtrain.backbones.cav_mae_checkpoint import fit_positions, to_official
from avtrain.backbones.registry import build_backbone
from avtrain.methods.registry import build_method
from tests.avtrain.backbones.test_cav_mae import CLASSES, SCENARIOS, SMALL, WIDTH, batch_of, build


def official_block(prefix: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one block, as they are published."""
    norms = {
        f"norm{n}{kind}.{part}": (WIDTH,) for n in (1, 2) for kind in ("", "_a", "_v") for part in ("weight", "bias")
    }
    linear = {"attn.qkv": (3, 1), "attn.proj": (1, 1), "mlp.fc1": (4, 1), "mlp.fc2": (1, 4)}
    weights = {f"{name}.weight": (out * WIDTH, into * WIDTH) for name, (out, into) in linear.items()}
    biases = {f"{name}.bias": (out * WIDTH,) for name, (out, _) in linear.items()}
    return {prefix + key: shape for key, shape in {**norms, **weights, **biases}.items()}


def published(classes: int | None = None, layers: int = 1, sounds: int = 512, patches: int = 196) -> dict[str, Tensor]:
    """A synthetic checkpoint in the published layout, the decoder of pretraining among it."""
    torch.manual_seed(1)
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed_a.proj.weight": (WIDTH, 1, 16, 16), "patch_embed_a.proj.bias": (WIDTH,),
        "patch_embed_v.proj.weight": (WIDTH, 3, 16, 16), "patch_embed_v.proj.bias": (WIDTH,),
        "modality_a": (1, 1, WIDTH), "modality_v": (1, 1, WIDTH),
        "pos_embed_a": (1, sounds, WIDTH), "pos_embed_v": (1, patches, WIDTH),
        "mask_token": (1, 1, 8), "decoder_pred_a.weight": (256, 8), "decoder_blocks.0.norm1.bias": (8,),
    }  # fmt: skip
    for index in range(layers):
        shapes |= official_block(f"blocks_a.{index}.") | official_block(f"blocks_v.{index}.")
    shapes |= official_block("blocks_u.0.")
    shapes |= {f"{norm}.{part}": (WIDTH,) for norm in ("norm", "norm_a", "norm_v") for part in ("weight", "bias")}
    if classes is not None:
        shapes |= {"mlp_head.0.weight": (WIDTH,), "mlp_head.0.bias": (WIDTH,)}
        shapes |= {"mlp_head.1.weight": (classes, WIDTH), "mlp_head.1.bias": (classes,)}
    return {f"module.{key}": torch.randn(shape) * 0.1 for key, shape in shapes.items()}


def test_published_names_are_exactly_ours_behind_the_mapping() -> None:
    method = build("finetune", layers=2)
    ours = {key: tuple(value.shape) for key, value in to_official(method.state_dict()).items()}
    whole = published(CLASSES, layers=2, sounds=16, patches=4)
    theirs = {key.removeprefix("module."): tuple(value.shape) for key, value in whole.items()}
    assert ours == {k: s for k, s in theirs.items() if not k.startswith(("decoder", "mask"))}


def save(state: dict[str, Tensor], kind: str, file: Path) -> None:
    """Write a checkpoint as users have them."""
    plain = {key.removeprefix("module."): value for key, value in state.items()}
    beside = {"epoch": 21, "best": 0.5, "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": []}}
    if file.suffix == ".safetensors":
        save_file(state if kind == "with prefix" else plain, file)
    elif kind == "flat":
        torch.save(state, file)
    elif kind == "twice wrapped":
        torch.save({f"module._orig_mod.{key}": value for key, value in plain.items()}, file)
    else:
        torch.save({kind: plain, **beside}, file)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("flat", ".pth"), ("flat", ".pt"), ("twice wrapped", ".pt"), ("state_dict", ".pth"), ("model", ".pt"),
        ("plain", ".safetensors"), ("with prefix", ".safetensors"),
    ],
)  # fmt: skip
def test_a_checkpoint_is_read_unchanged(tmp_path: Path, kind: str, suffix: str) -> None:
    file, state = tmp_path / f"cav{suffix}", published(CLASSES)
    save(state, kind, file)
    backbone = build_backbone("cav-mae", {"size": "tiny", "layers": 1, "weights": str(file)})
    method = build_method("finetune", {}, backbone, CLASSES, SCENARIOS)
    written = to_official(method.state_dict())
    assert all(torch.equal(written[key], state[f"module.{key}"]) for key in written)
    assert "mlp_head.1.weight" in written
    other = build_method("finetune", {}, backbone, CLASSES + 1, SCENARIOS)
    assert torch.equal(other.get_parameter("head.slices.joint.0.weight"), torch.ones(WIDTH))


def test_a_runs_own_weights_restore_it_without_the_file(tmp_path: Path) -> None:
    file = tmp_path / "cav.pth"
    torch.save(published(), file)
    options = {**SMALL, "weights": str(file)}
    backbone, batch = build_backbone("cav-mae", options), batch_of(2)
    file.unlink()
    again = build_backbone("cav-mae", options, backbone.state_dict())
    with torch.no_grad():
        first, second = (b.pool(b.encode(batch), batch.present)["joint"] for b in (backbone, again))
    assert torch.equal(first, second)


def test_every_wrong_key_is_named_as_it_is_published(tmp_path: Path) -> None:
    state = published(CLASSES)
    del state["module.blocks_a.0.norm1_v.bias"], state["module.mlp_head.0.bias"]
    state["module.surprise"] = torch.zeros(1)
    state["module.blocks_u.0.mlp.fc1.weight"] = torch.zeros(3, 2)
    state["module.pos_embed_v"] = torch.zeros(1, 195, WIDTH)
    torch.save(state, tmp_path / "cav.pth")
    with pytest.raises(UserError) as caught:
        build_backbone("cav-mae", {**SMALL, "weights": str(tmp_path / "cav.pth")})
    for expected in (
        "missing blocks_a.0.norm1_v.bias [192]", "missing mlp_head.0.bias", "not expected: surprise [1]",
        "blocks_u.0.mlp.fc1.weight is [3, 2], expected [768, 192]",
        "pos_embed_v is [1, 195, 192], expected [1, 4, 192]",
    ):  # fmt: skip
        assert expected in str(caught.value)


def test_files_that_are_no_checkpoint_are_refused_with_what_to_do(tmp_path: Path) -> None:
    def message(name: str, **options: object) -> str:
        with pytest.raises(UserError) as caught:
            build_backbone("cav-mae", {**SMALL, **options, "weights": str(tmp_path / name)})
        return str(caught.value)

    assert "takes a .pth, .pt or .safetensors file" in message("absent.pth")
    (tmp_path / "weights.bin").write_text("no weights")
    assert "none of .pth, .pt, .safetensors; backbone.weights takes a .pth" in message("weights.bin")
    (tmp_path / "text.pth").write_text("no weights")
    assert "not a checkpoint of weights alone" in message("text.pth")
    torch.save({"net": published(), "epoch": 3}, tmp_path / "nested.pth")
    assert "holds a dictionary with net, epoch; expected a table of weights, or one under the key" in message(
        "nested.pth"
    )
    torch.save({"model": {"a": 1}}, tmp_path / "numbers.pth")
    assert "holds a dictionary with model; expected a table of weights" in message("numbers.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    assert "holds a list; expected a table of weights" in message("list.pt")
    torch.save({"model": published(), "state_dict": published()}, tmp_path / "both.pth")
    assert "holds both state_dict and model" in message("both.pth")
    torch.save({**published(), "norm.weight": torch.zeros(WIDTH)}, tmp_path / "twice.pth")
    assert "holds some weights twice, with and without a prefix\n  norm.weight" in message("twice.pth")
    torch.save(published(), tmp_path / "tiny.pth")
    assert "192 wide, the backbone's 384" in message("tiny.pth", size="small")
    with pytest.raises(UsageError, match=r"audio_frames: .*multiple of 16.*\n.*image_size: .*multiple of 16"):
        build_backbone("cav-mae", {"audio_frames": 100, "image_size": 100})


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[object]]:
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"norm.weight": Harm()}, tmp_path / "harmful.pth")
    with pytest.raises(UserError, match="not a checkpoint of weights alone"):
        build_backbone("cav-mae", {**SMALL, "weights": str(tmp_path / "harmful.pth")})
    assert not (tmp_path / "harm").exists()


def test_a_shorter_clip_keeps_the_positions_of_its_time() -> None:
    table = torch.arange(8.0)[:, None] * 100 + torch.arange(64.0)  # mel row, time column
    shorter = fit_positions(table.reshape(1, 512, 1), (8, 10), "audio").reshape(8, 10)
    assert torch.equal(shorter, table[:, :10])
    longer = fit_positions(table.reshape(1, 512, 1), (8, 128), "audio").reshape(8, 128)
    torch.testing.assert_close(longer[3, 1:-1], 300 + (torch.arange(1, 127.0) - 0.5) / 2)
    same = torch.randn(1, 196, 3)
    assert fit_positions(same, (14, 14), "image") is same
    assert fit_positions(same, (7, 7), "image").shape == (1, 49, 3)
