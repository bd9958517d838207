"""Reading and writing the flat key layout of CAV-MAE's published checkpoints.  Gong et al., ICLR 2023."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from avbuild.errors import UserError
from avtrain.backbones.checkpoint_file import read_checkpoint, without_wrappers
from avtrain.backbones.weights import check_keys

MEL_ROWS = 8  # rows of patches in a spectrogram of 128 mel bins
HEAD = "head.slices.joint."
# prefixes of keys, ours -> published; the rest of a key, and every other key, is the same in both
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
    """Rename weights to their published names.

    Args:
        weights: `CavMae.state_dict()`, or those of a run, whose backbone has the prefix `backbone.`; with a `joint`
            head or without.
    """
    return {_renamed(key.removeprefix("backbone."), NAMES): value for key, value in weights.items()}


def from_official(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename published weights, with or without the prefix `module.`, to ours, without the decoder of pretraining."""
    plain = {without_wrappers(key): value for key, value in weights.items()}
    encoder = {key: value for key, value in plain.items() if not key.startswith(("decoder_", "mask_token"))}
    back = {theirs: ours for ours, theirs in NAMES.items()}
    return {_renamed(key, back): value for key, value in encoder.items()}


def load_checkpoint(backbone: nn.Module, source: str, grids: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    """Load a published checkpoint into a `CavMae`.

    Args:
        backbone: changed in place.
        source: file of the checkpoint.
        grids: modality -> rows and columns of patches, to which the positions are fitted.

    Returns:
        The weights of a `PooledHead`, where the checkpoint has a head; else empty.

    Raises:
        UserError: the file cannot be read, or its weights do not fit; names every wrong key.
    """
    given = {key: value.to(torch.float32) for key, value in from_official(read_checkpoint(source)).items()}
    wanted = backbone.state_dict()
    _check_width(wanted, given, source)
    for modality, grid in grids.items():
        key = f"{modality}_encoder.pos_embed"
        if key in given:
            given[key] = fit_positions(given[key], grid, modality)
    check_keys(to_official(wanted | _head_keys(given)), to_official(given), source)
    backbone.load_state_dict({key: given[key] for key in wanted})
    return {key.removeprefix("head."): value for key, value in given.items() if key not in wanted}


def fit_positions(positions: Tensor, grid: tuple[int, int], modality: str) -> Tensor:
    """Fit learned positions to a grid of another size.

    Images are interpolated bicubically.  A shorter audio clip takes the first columns, since its frames last as long;
    for a longer one the positions are stretched bilinearly.

    Args:
        positions: [1, N, D] in row order, of a square image or of 8 rows of mel bins.
        grid: rows and columns wanted.
        modality: `audio` or `image`.

    Returns:
        [1, rows * columns, D]; positions of no grid are returned unchanged.
    """
    rows = math.isqrt(positions.shape[1]) if modality == "image" else MEL_ROWS
    columns = rows if modality == "image" else positions.shape[1] // rows
    if rows * columns != positions.shape[1] or (rows, columns) == grid:
        return positions  # a wrong number of positions is reported with the other wrong shapes
    learned = positions.reshape(1, rows, columns, -1).permute(0, 3, 1, 2)
    if modality == "audio" and grid[1] < columns:
        fitted = learned[..., : grid[1]]
    else:
        mode = "bicubic" if modality == "image" else "bilinear"
        fitted = functional.interpolate(learned, grid, mode=mode, align_corners=False)
    return fitted.flatten(2).transpose(1, 2)


def _renamed(key: str, names: Mapping[str, str]) -> str:
    return next((new + key[len(old) :] for old, new in names.items() if key.startswith(old)), key)


def _head_keys(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights that a complete head has, for any number of classes; empty where there is no head."""
    if not any(key.startswith(HEAD) for key in given):
        return {}
    keys = [f"{HEAD}{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")]
    return {key: given.get(key, torch.empty(0)) for key in keys}


def _check_width(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str) -> None:
    key = "norm.weight"
    if key in given and given[key].shape != wanted[key].shape:
        raise UserError(
            f"{source}: its tokens are {given[key].numel()} wide, the backbone's {wanted[key].numel()}; give its size: "
            "--set backbone.size=base (768), small (384) or tiny (192)"
        )
