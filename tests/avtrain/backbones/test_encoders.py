"""Encoders against float64 references, and the key layouts of their originals."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from avbuild.errors import UserError
from avtrain.backbones.dual import Dual, DualConfig
from avtrain.backbones.registry import build_backbone
from avtrain.backbones.vit import Layer as VisionLayer
from avtrain.backbones.vit import VisionTransformer
from avtrain.backbones.whisper import Layer as WhisperLayer
from avtrain.backbones.whisper import WhisperEncoder, sinusoids


def vit(layers: int = 2) -> VisionTransformer:
    torch.manual_seed(0)
    encoder = VisionTransformer(width=64, heads=1, layers=layers, patch=4, grid=5)
    torch.nn.init.normal_(encoder.embeddings.position_embeddings)
    return encoder


def attention(x, q, k, v, o, heads):  # type: ignore[no-untyped-def]
    """softmax(Q K^T / sqrt(d)) V for each head, [N, D] in float64."""
    width = x.shape[1] // heads
    parts = []
    for h in range(heads):
        cut = slice(h * width, (h + 1) * width)
        scores = q(x)[:, cut] @ k(x)[:, cut].T / np.sqrt(width)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        parts.append(weights / weights.sum(axis=1, keepdims=True) @ v(x)[:, cut])
    return o(np.concatenate(parts, axis=1))


def linear(module):  # type: ignore[no-untyped-def]
    weight = module.weight.detach().double().numpy()
    bias = 0 if module.bias is None else module.bias.detach().double().numpy()
    return lambda x: x @ weight.T + bias


def norm(module):  # type: ignore[no-untyped-def]
    gain, offset = module.weight.detach().double().numpy(), module.bias.detach().double().numpy()

    def apply(x):  # type: ignore[no-untyped-def]
        centred = x - x.mean(axis=1, keepdims=True)
        return centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + module.eps) * gain + offset

    return apply


def gelu(x):  # type: ignore[no-untyped-def]
    from scipy.special import erf

    return x / 2 * (1 + erf(x / np.sqrt(2)))


def test_a_vision_layer_is_its_formula() -> None:
    torch.manual_seed(1)
    layer, x = VisionLayer(24, 3), torch.randn(1, 7, 24)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn_like(p) * 0.3)
    a = layer.attention
    q, k, v = (linear(a.attention[name]) for name in ("query", "key", "value"))
    y = x[0].double().numpy()
    y = y + layer.layer_scale1.lambda1.detach().numpy() * attention(
        norm(layer.norm1)(y), q, k, v, linear(a.output["dense"]), 3
    )
    hidden = gelu(linear(layer.mlp["fc1"])(norm(layer.norm2)(y)))
    y = y + layer.layer_scale2.lambda1.detach().numpy() * linear(layer.mlp["fc2"])(hidden)
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), y, rtol=1e-4, atol=1e-4)


def test_a_whisper_layer_is_its_formula() -> None:
    torch.manual_seed(2)
    layer, x = WhisperLayer(24, 3), torch.randn(1, 7, 24)
    a = layer.self_attn
    assert a.k_proj.bias is None
    y = x[0].double().numpy()
    q, k, v = linear(a.q_proj), linear(a.k_proj), linear(a.v_proj)
    y = y + attention(norm(layer.self_attn_layer_norm)(y), q, k, v, linear(a.out_proj), 3)
    y = y + linear(layer.fc2)(gelu(linear(layer.fc1)(norm(layer.final_layer_norm)(y))))
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), y, rtol=1e-4, atol=1e-5)


def test_positions_are_resampled_only_where_the_grid_differs() -> None:
    encoder = vit()
    table = encoder.embeddings.position_embeddings
    assert encoder.embeddings._positions(5, 5) is table
    other = encoder.embeddings._positions(3, 4)
    assert other.shape == (1, 13, 64)
    assert torch.equal(other[:, 0], table[:, 0])


def test_whispers_positions_are_sines_then_cosines() -> None:
    table = sinusoids(1500, 384)
    assert torch.equal(table[0], torch.cat([torch.zeros(192), torch.ones(192)]))
    assert table[3, 0].item() == pytest.approx(np.sin(3), abs=1e-6)
    assert table[100, 383].item() == pytest.approx(np.cos(100 / 10_000), abs=1e-6)


def test_prompts_may_stand_before_the_tokens_of_either_encoder() -> None:
    backbone = build_backbone("tiny", {"width": 24, "layers": 1, "heads": 2})
    for modality, inputs in (("audio", torch.randn(2, 80, 200)), ("image", torch.randn(2, 3, 32, 32))):
        encoder = backbone.encoder(modality)
        tokens = encoder.embed(inputs)
        prompts = torch.zeros(2, 5, 24, requires_grad=True)
        longer = encoder.transform(torch.cat([prompts, tokens], dim=1))
        assert longer.shape[1] == tokens.shape[1] + 5
        longer[:, 5:].square().sum().backward()
        assert prompts.grad is not None
        assert prompts.grad.abs().sum() > 0


def checkpoints(folder: Path, *, full_size: bool = False) -> tuple[Path, Path]:
    """Synthetic encoders in the key layouts of the originals; full_size: with their patches and positions."""
    torch.manual_seed(0)
    encoder = VisionTransformer(width=64, heads=1, layers=2, patch=14, grid=5) if full_size else vit(layers=3)
    state = {f"dinov2.{key}": value.half() for key, value in encoder.state_dict().items()}
    state["dinov2.embeddings.mask_token"] = torch.zeros(1, 64).half()
    save_file(state, folder / "vit.safetensors")
    audio = WhisperEncoder(width=64, heads=1, layers=2, positions=1500 if full_size else 100).state_dict()
    whisper = {f"model.encoder.{key}": value.half() for key, value in audio.items()}
    whisper["model.decoder.layers.0.fc1.weight"] = torch.zeros(2, 2).half()
    save_file(whisper, folder / "whisper.safetensors")
    return folder / "vit.safetensors", folder / "whisper.safetensors"


def test_originals_are_read_in_their_own_key_layout(tmp_path: Path) -> None:
    vision, audio = checkpoints(tmp_path)
    config = DualConfig(vision=str(vision), audio=str(audio), image_size=20, audio_seconds=1.0, vision_layers=2)
    backbone = Dual(config)
    assert len(backbone.image_encoder.encoder["layer"]) == 2
    assert backbone.width == 64
    again = Dual(config, backbone.state_dict())
    pictures = torch.randn(1, 3, 20, 20)
    assert torch.equal(again.image_encoder(pictures), backbone.image_encoder(pictures))


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    vision, audio = checkpoints(tmp_path)
    state = load_file(vision)
    del state["dinov2.layernorm.bias"]
    state["dinov2.surprise"] = torch.zeros(1)
    state["dinov2.encoder.layer.0.norm1.weight"] = torch.zeros(3)
    save_file(state, vision)
    with pytest.raises(UserError) as caught:
        build_backbone("dual", {"vision": str(vision), "audio": str(audio)})
    for expected in ("missing layernorm.bias [64]", "not expected: surprise [1]", "norm1.weight is [3], expected [64]"):
        assert expected in str(caught.value)


def test_weights_that_cannot_be_had_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        build_backbone("dual", {"vision": str(tmp_path / "none.safetensors"), "audio": "x.safetensors"})
    with pytest.raises(UserError, match=r"--set backbone\.vision=FILE"):
        build_backbone("dual", {})


@pytest.mark.pilot
def test_the_real_encoders_load_whole(pilot_weights: Path) -> None:
    vision = pilot_weights / "vit_s14_saliency.safetensors"
    audio = pilot_weights / "whisper_tiny_en_encoder.safetensors"
    backbone = build_backbone("dual", {"vision": str(vision), "audio": str(audio), "vision_layers": 11})
    with torch.no_grad():
        sound = backbone.encoder("audio")(torch.zeros(1, 80, 400))
        picture = backbone.encoder("image")(torch.zeros(1, 3, 112, 112))
    assert sound.shape == (1, 200, 384)
    assert picture.shape == (1, 65, 384)
    assert torch.isfinite(sound).all()
    assert torch.isfinite(picture).all()
