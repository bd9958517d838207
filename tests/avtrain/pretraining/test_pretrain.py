"""Pretraining: the losses against their formulas, a run as a user makes it, exact resume, and the file it leaves."""

import json
import math
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import avtrain.pretraining.cav_mae
from avbuild.errors import UserError
from avtrain.backbones.cav_mae import CavMaeConfig
from avtrain.backbones.cav_mae_blocks import Attention
from avtrain.backbones.cav_mae_checkpoint import to_official
from avtrain.backbones.registry import build_backbone
from avtrain.pretraining.cav_mae import build, make_optimizer
from avtrain.pretraining.config import PretrainConfig
from avtrain.pretraining.masked_autoencoder import (
    MaskedAutoencoder,
    contrastive_loss,
    draw_visible,
    patches,
    reconstruction_loss,
)
from avtrain.runs.folder import Run
from tests.avtrain.training.test_fit import avtrain_
from tests.support.stopping import stopped_at_call, stopped_in

SMALL = {"size": "tiny", "layers": 1, "audio_frames": 32, "image_size": 32}
OPTIONS = ["--size", "tiny", "--epochs", "3", "--batch-size", "16", "--lr", "0.002", "--set", "decoder_layers=1"]
OPTIONS += [word for key, value in list(SMALL.items())[1:] for word in ("--set", f"backbone.{key}={value}")]


def model() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return build(PretrainConfig(backbone=CavMaeConfig.model_validate(SMALL), decoder_layers=1))  # type: ignore[call-arg]


def pretrain(manifest: Path, out: Path, *more: object) -> str:
    return avtrain_("pretrain", manifest, *OPTIONS, "--out", out, *more)


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


@pytest.fixture(scope="module")
def whole(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished pretraining and what it printed; do not change it."""
    out = tmp_path_factory.mktemp("pretrained") / "cav"
    return out, pretrain(manifest, out)


@pytest.mark.parametrize("both_directions", [False, True])
def test_the_contrastive_loss_is_its_formula(both_directions: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    audio, image = (torch.randn(5, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    cosine = [[float(a @ v / (a.norm() * v.norm())) / 0.05 for v in image] for a in audio]
    table = torch.tensor(cosine, dtype=torch.float64)
    to_image, to_audio = ((-(t.diag() - t.exp().sum(dim=1).log())).mean() for t in (table, table.T))
    assert not torch.isclose(to_image, to_audio, rtol=1e-3)
    found = contrastive_loss(audio.float(), image.float(), 0.05, both_directions)
    expected = (to_image + to_audio) / 2 if both_directions else to_audio  # as released: a softmax over the audio
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_decimals_of_the_number_of_visible_patches_are_cut_off() -> None:
    backbone, cpu = model().backbone, torch.device("cpu")
    for rounded, count in ((math.floor, 1), (round, 2)):  # of 16 * 0.11 = 1.76
        assert draw_visible(backbone, 3, 0.89, cpu, rounded)["audio"].sum(dim=1).eq(count).all()
    assert draw_visible(backbone, 3, 0.89, cpu)["audio"].sum(dim=1).eq(1).all()


def test_a_step_is_that_of_the_published_optimizer() -> None:
    start = torch.linspace(-1, 1, 6, dtype=torch.float64)
    for optimizer, (b1, b2), decay in (("adam", (0.95, 0.999), 5e-7), ("adamw", (0.9, 0.95), 0.05)):
        module = torch.nn.Linear(1, 1).double()
        module.weight = torch.nn.Parameter(start[:, None].clone())
        module.bias.requires_grad_(False)
        config = PretrainConfig(backbone=CavMaeConfig(), optimizer=optimizer, lr=0.1)  # type: ignore[call-arg, arg-type]
        maker, w, m, v = make_optimizer(module, config), start.clone(), 0.0, 0.0
        for step in (1, 2, 3):
            module.weight.grad = torch.cos(step * module.weight.detach())
            maker.step()
            g = torch.cos(step * w) + (decay * w if optimizer == "adam" else 0)
            w = w if optimizer == "adam" else w * (1 - 0.1 * decay)
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            w = w - 0.1 * (m / (1 - b1**step)) / ((v / (1 - b2**step)).sqrt() + 1e-8)
        torch.testing.assert_close(module.weight.detach()[:, 0], w, rtol=1e-10, atol=1e-12)


def test_a_pretraining_of_version_0_1_is_known_by_its_options(manifest: Path, tmp_path: Path) -> None:
    old = ["optimizer=adamw", "contrast_direction=both", "augment=false", "visible=nearest"]
    options = [f"--set={option}" for option in old]
    with stopped_in(epoch=1):
        pretrain(manifest, tmp_path, *options)
    written = Run(tmp_path).read_json("pretrain.json")
    assert written["pretrain"]["weight_decay"] == 0.05
    for key in ("optimizer", "contrast_direction", "augment", "visible"):  # avtrain 0.1 wrote none of these
        written["pretrain"].pop(key)
    Run(tmp_path).write_json("pretrain.json", {"pretrain": written["pretrain"], "manifest": written["manifest"]})
    with pytest.raises(UserError, match="optimizer: adamw there, adam asked for"):
        pretrain(manifest, tmp_path)
    pretrain(manifest, tmp_path, *options, "--set", "epochs=3")


def test_patches_are_in_order_and_each_has_mean_0_and_deviation_1() -> None:
    pictures = torch.randn(2, 3, 32, 48) * 5 + 2
    found = patches(pictures)
    assert found.shape == (2, 6, 768)
    patch = pictures[1, :, 16:32, 32:48].permute(1, 2, 0).flatten().double()  # second row, third column: the sixth
    variance = (patch - patch.mean()).square().sum() / (len(patch) - 1)
    torch.testing.assert_close(
        found[1, 5].double(), (patch - patch.mean()) / (variance + 1e-6).sqrt(), rtol=1e-4, atol=1e-4
    )
    assert patches(torch.ones(1, 128, 16)).eq(0).all()  # padding has nothing to be told


def test_only_hidden_patches_count() -> None:
    generator = torch.Generator().manual_seed(1)
    predicted, wanted = (torch.randn(2, 4, 6, generator=generator) for _ in range(2))
    hidden = torch.tensor([[True, False, True, False], [False, False, True, True]])
    errors = [float((predicted[b, n] - wanted[b, n]).square().mean()) for b, n in hidden.nonzero().tolist()]
    assert reconstruction_loss(predicted, wanted, hidden).item() == pytest.approx(sum(errors) / 4, rel=1e-5)
    predicted[~hidden] = 100.0
    assert reconstruction_loss(predicted, wanted, hidden).item() == pytest.approx(sum(errors) / 4, rel=1e-5)


def test_a_quarter_stays_visible_and_every_row_has_its_own() -> None:
    visible = draw_visible(model().backbone, 50, 0.75, torch.device("cpu"))
    assert {m: x.shape[1] for m, x in visible.items()} == {"audio": 16, "image": 4}
    assert visible["audio"].sum(dim=1).eq(4).all()
    assert visible["image"].sum(dim=1).eq(1).all()
    assert len({tuple(row) for row in visible["audio"].tolist()}) > 40


def test_what_is_hidden_is_not_seen() -> None:
    network = model().eval()
    inputs = {"audio": torch.randn(2, 128, 32), "image": torch.randn(2, 3, 32, 32)}
    visible = {"audio": torch.arange(16).lt(4).expand(2, -1), "image": torch.arange(4).lt(1).expand(2, -1)}
    other = {m: x.clone() for m, x in inputs.items()}
    other["audio"][:, 32:] = 9.0  # the first four patches are the first two mel rows of two columns
    other["image"][:, :, 16:] = 9.0
    with torch.no_grad():
        for m, there in visible.items():
            assert torch.equal(network._encode(m, inputs[m], there), network._encode(m, other[m], there))
        changed = {m: x.flip(-1) for m, x in inputs.items()}
        assert not torch.equal(*(network._encode("audio", x["audio"], visible["audio"]) for x in (inputs, changed)))


def test_predictions_stand_at_the_place_of_their_patch() -> None:
    """Visible tokens go back to where they came from: with the decoder an identity, they are found there."""
    network = model().eval()
    visible = {"audio": torch.zeros(1, 16, dtype=torch.bool), "image": torch.zeros(1, 4, dtype=torch.bool)}
    visible["audio"][0, [2, 9]] = True
    visible["image"][0, 3] = True
    seen: list[torch.Tensor] = []
    network.decoder_blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    tokens = {"audio": torch.randn(1, 2, 192), "image": torch.randn(1, 1, 192)}
    with torch.no_grad():
        network._decode(tokens, visible)
        embedded = network.decoder_embed(network.backbone.joint_tokens(torch.cat(list(tokens.values()), dim=1)))[0]
        a = seen[0][0, :16] - network.decoder_pos_embed_a[0] - network.decoder_modality_a[0]
        v = seen[0][0, 16:] - network.decoder_pos_embed_v[0] - network.decoder_modality_v[0]
        torch.testing.assert_close(torch.stack([a[2], a[9], v[3]]), embedded, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(a[5], network.mask_token[0, 0], rtol=1e-4, atol=1e-5)


def test_every_weight_but_positions_and_unused_norms_learns() -> None:
    network = model()
    inputs = {"audio": torch.randn(3, 128, 32), "image": torch.randn(3, 3, 32, 32)}
    visible = draw_visible(network.backbone, 3, 0.75, torch.device("cpu"))
    sum(network(inputs, visible, 0.05).values()).backward()
    silent = {key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    # the encoders' blocks and the decoder's use their unified norms alone, as published
    own_norms = {key for key, _ in network.named_parameters() if "blocks_u" not in key and ("1_" in key or "2_" in key)}
    assert silent == own_norms | {key for key, _ in network.named_parameters() if "pos_embed" in key}


def test_the_loss_falls_and_is_the_sum_of_its_parts(whole: tuple[Path, str]) -> None:
    lines = [json.loads(line) for line in (whole[0] / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.05
    for line in lines:
        assert line["loss"] == pytest.approx(line["audio"] + line["image"] + 0.01 * line["contrast"], rel=1e-5)


def test_the_file_is_read_by_the_backbone_unchanged(whole: tuple[Path, str]) -> None:
    out, printed = whole
    file = out / "cav-mae.safetensors"
    stored = load_file(file)
    assert {"decoder_embed.weight", "mask_token", "decoder_pred_v.bias", "blocks_a.0.norm1_v.bias"} <= set(stored)
    assert {"pos_embed_v", "decoder_pos_embed_a", "decoder_modality_v", "decoder_blocks.0.attn.qkv.weight"} <= set(
        stored
    )
    backbone = build_backbone("cav-mae", {**SMALL, "weights": str(file)})
    read = to_official(backbone.state_dict())
    assert all(torch.equal(read[key], stored[key]) for key in read)
    for word in ("next: avtrain fit", "--backbone cav-mae", f"backbone.weights={file}", "size=tiny", "audio_frames=32"):
        assert word in printed.replace("\n", " ")


def test_the_line_it_ends_with_works(whole: tuple[Path, str], tmp_path: Path) -> None:
    command = whole[1].rsplit("next: avtrain ", 1)[1].split()
    avtrain_(*command, "--method", "linear-probe", "--epochs", 1, "--out", tmp_path)
    run = Run(next(tmp_path.glob("*/seed0")))
    trained = run.weights()["backbone.blocks_u.0.attn.qkv.weight"]
    assert torch.equal(trained, load_file(whole[0] / "cav-mae.safetensors")["blocks_u.0.attn.qkv.weight"])


# in the second of epochs of five steps, or between its end and the saving of its state
STOPPED = (stopped_at_call(8, avtrain.pretraining.cav_mae, "draw_visible"), stopped_in(epoch=2, saved=False))


@pytest.mark.parametrize("stopped", STOPPED)
def test_stopped_and_resumed_it_ends_with_the_same_weights(
    whole: tuple[Path, str], manifest: Path, tmp_path: Path, stopped: AbstractContextManager[None]
) -> None:
    with stopped:
        pretrain(manifest, tmp_path / "cav")
    assert not (tmp_path / "cav" / "cav-mae.safetensors").exists()
    assert len(Run(tmp_path / "cav").metrics()) >= 1
    pretrain(manifest, tmp_path / "cav")
    first, second = (load_file(folder / "cav-mae.safetensors") for folder in (whole[0], tmp_path / "cav"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_seed_gives_other_weights_and_restart_begins_anew(
    whole: tuple[Path, str], manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text("not ours")
    first = load_file(whole[0] / "cav-mae.safetensors")
    pretrain(manifest, tmp_path, "--seed", 1, "--epochs", 1)
    pretrain(manifest, tmp_path, "--seed", 2, "--epochs", 1, "--resume", "restart")
    assert len(Run(tmp_path).metrics()) == 1
    assert (tmp_path / "kept.txt").exists()
    assert not torch.equal(first["norm_a.bias"], load_file(tmp_path / "cav-mae.safetensors")["norm_a.bias"])


def test_another_configuration_in_its_folder_is_refused(whole: tuple[Path, str], manifest: Path) -> None:
    with pytest.raises(UserError, match=r"hidden: 0\.75 there, 0\.5 asked for"):
        pretrain(manifest, whole[0], "--set", "hidden=0.5")
    with pytest.raises(UserError, match="holds a pretraining already"):
        pretrain(manifest, whole[0], "--resume", "never")
    assert "finished already" in pretrain(manifest, whole[0])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--size", "huge"), "size: input should be 'base', 'small' or 'tiny'"),
        (("--set", "hiden=0.5"), "hiden: unknown option.*hidden"),
        (("--set", "backbone.widht=1"), "backbone cav-mae: .*\n.*widht: unknown option"),
        (("--resume", "maybe"), "allowed are auto, restart, never"),
        (("--set", "hidden=1.0"), "hidden: "),
    ],
)
def test_a_wrong_option_is_explained_and_nothing_is_written(
    manifest: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        pretrain(manifest, tmp_path / "cav", *arguments)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "cav").exists()


def test_the_decoder_of_the_published_size_has_the_published_shapes() -> None:
    with torch.device("meta"):
        network = build(PretrainConfig(backbone=CavMaeConfig()))  # type: ignore[call-arg]
    shapes = {key: tuple(value.shape) for key, value in to_official(network.state_dict()).items()}
    expected = {
        "decoder_embed.weight": (512, 768),
        "mask_token": (1, 1, 512),
        "decoder_modality_a": (1, 1, 512),
        "decoder_pos_embed_a": (1, 512, 512),
        "decoder_pos_embed_v": (1, 196, 512),
        "decoder_blocks.7.mlp.fc1.weight": (2048, 512),
        "decoder_norm.weight": (512,),
        "decoder_pred_a.weight": (256, 512),
        "decoder_pred_v.weight": (768, 512),
    }
    assert {key: shapes.get(key) for key in expected} == expected
    blocks = [part for part in network.decoder_blocks.modules() if isinstance(part, Attention)]
    assert [part.heads for part in blocks] == [16] * 8
