"""CAV-MAE's published checkpoints: their flat key layout, read and written.  Gong et al., ICLR 2023."""

import math
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from avbuild.errors import UserError
from avtrain.backbones.weights import check_keys, load_weights

MEL_ROWS = 8  # of patches in a spectrogram of 128 mel bins
HEAD = "head.slices.joint."
# the beginnings of keys, ours and theirs; the rest of a key, and every other key, is the same in both
NAMES = {
    "audio_encoder.layers.": "blocks_a.",
    "image_encoder.layers.": "blocks_v.",
    "audio_encoder.patch_embed.": "patch_embed_a.",
    "image_encoder.patch_embed.": "patch_embed_v.",
    "audio_encoder.pos_embed": "pos_embed_a",
    "image_encoder.pos_embed": "pos_embed_v",
    "audio_encoder.modality": "modality_a",
    "image_encoder.modality": "modality_v",
    HEAD: "mlp_head.",
}


def to_official(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by their published names: those of the backbone, and of a `joint` head where there is one.

    weights: `CavMae.state_dict()`, or all of a run, where the backbone's stand behind `backbone.`.
    """
    return {_renamed(key.removeprefix("backbone."), NAMES): value for key, value in weights.items()}


def from_official(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published names to ours, with or without `module.` in front; the decoder of pretraining is left out."""
    plain = {key.removeprefix("module."): value for key, value in weights.items()}
    encoder = {key: value for key, value in plain.items() if not key.startswith(("decoder_", "mask_token"))}
    back = {theirs: ours for ours, theirs in NAMES.items()}
    return {_renamed(key, back): value for key, value in encoder.items()}


def load_checkpoint(backbone: nn.Module, source: str, grids: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    """Fill a `CavMae` from a checkpoint; returns the head that came with it by PooledHead's names, or nothing.

    grids: modality -> rows and columns of patches, to which positions are fitted.  Raises UserError that names every
    wrong key.
    """
    given = {key: value.to(torch.float32) for key, value in from_official(read_checkpoint(source)).items()}
    own = backbone.state_dict()
    _check_width(own, given, source)
    for modality, grid in grids.items():
        key = f"{modality}_encoder.pos_embed"
        if key in given:
            given[key] = fit_positions(given[key], grid, modality)
    check_keys(to_official(own | _whole_head(given)), to_official(given), source)
    backbone.load_state_dict({key: given[key] for key in own})
    return {key.removeprefix("head."): value for key, value in given.items() if key not in own}


def read_checkpoint(source: str) -> dict[str, Tensor]:
    """A state dict from a `.pth` file, none of which is executed, or a `.safetensors` file.  Raises UserError."""
    if not Path(source).is_file():
        raise UserError(f"{source}: no such file; backbone.weights takes a .pth or a .safetensors file of CAV-MAE")
    if not source.endswith((".pth", ".safetensors")):
        raise UserError(f"{source}: neither .pth nor .safetensors; backbone.weights takes such a file of CAV-MAE")
    if source.endswith(".safetensors"):
        return load_weights(source)
    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"{source}: not a checkpoint of weights alone ({str(error).splitlines()[0]})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{source}: not a flat table of weights, which CAV-MAE's published files are")
    return state


def fit_positions(positions: Tensor, grid: tuple[int, int], modality: str) -> Tensor:
    """Learned positions for a grid of another size.

    positions: [1, N, D], row by row, of a square picture or of 8 rows of mel bins.  Returns [1, rows * columns, D].
    Pictures: bicubic.  Sound: a shorter clip has the first columns, as time goes on at the same pace; for a longer one
    they are stretched, as there are none to continue with.
    """
    rows = math.isqrt(positions.shape[1]) if modality == "image" else MEL_ROWS
    columns = rows if modality == "image" else positions.shape[1] // rows
    if rows * columns != positions.shape[1] or (rows, columns) == grid:
        return positions  # what makes no grid is named among the wrong shapes
    picture = positions.reshape(1, rows, columns, -1).permute(0, 3, 1, 2)
    if modality == "audio" and grid[1] < columns:
        fitted = picture[..., : grid[1]]
    else:
        mode = "bicubic" if modality == "image" else "bilinear"
        fitted = functional.interpolate(picture, grid, mode=mode, align_corners=False)
    return fitted.flatten(2).transpose(1, 2)


def _renamed(key: str, names: Mapping[str, str]) -> str:
    return next((new + key[len(old) :] for old, new in names.items() if key.startswith(old)), key)


def _whole_head(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The keys of a head for any number of classes, where there is one."""
    if not any(key.startswith(HEAD) for key in given):
        return {}
    keys = [f"{HEAD}{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")]
    return {key: given.get(key, torch.empty(0)) for key in keys}


def _check_width(own: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str) -> None:
    key = "norm.weight"
    if key in given and given[key].shape != own[key].shape:
        raise UserError(
            f"{source}: its tokens are {given[key].numel()} wide, the backbone's {own[key].numel()}; give its size: "
            "--set backbone.size=base (768), small (384) or tiny (192)"
        )
