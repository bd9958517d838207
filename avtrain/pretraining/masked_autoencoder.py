"""CAV-MAE's pretraining objective: reconstruct masked patches from visible ones, and match audio with its image."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from avtrain.backbones.cav_mae import PATCH, CavMae
from avtrain.backbones.cav_mae_blocks import NORMS, grid_positions, initialise, make_blocks, run_blocks


@dataclass(frozen=True)
class DecoderShape:
    """The size of the decoder: number of blocks, width of a token, number of attention heads."""

    layers: int
    width: int
    heads: int


class MaskedAutoencoder(nn.Module):
    """A `CavMae` that reads the visible patches of each modality, and a decoder that reconstructs the masked ones.

    Gong et al., ICLR 2023, sections 2.3 and 2.4.  The visible tokens pass the joint block twice: both modalities
    together, for the decoder, and each modality alone with its own norms, for the contrastive loss.  Positions are not
    trained, as in He et al.: Masked autoencoders, CVPR 2022.  Weights have the names of the published checkpoints.
    """

    def __init__(self, backbone: CavMae, shape: DecoderShape) -> None:
        super().__init__()
        self.backbone, width = backbone, shape.width
        self.decoder_embed = nn.Linear(backbone.width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_modality_a, self.decoder_modality_v = (nn.Parameter(torch.zeros(1, 1, width)) for _ in range(2))
        self.decoder_pos_embed_a = nn.Parameter(grid_positions(*backbone.audio_encoder.grid, width))
        self.decoder_pos_embed_v = nn.Parameter(grid_positions(*backbone.image_encoder.grid, width))
        self.decoder_blocks = make_blocks(shape.layers, width, shape.heads)
        self.decoder_norm = nn.LayerNorm(width)
        self.decoder_pred_a, self.decoder_pred_v = nn.Linear(width, PATCH**2), nn.Linear(width, 3 * PATCH**2)
        for name, module in self.named_children():
            if name != "backbone":  # it may hold weights of a checkpoint
                module.apply(initialise)
        for token in (self.mask_token, self.decoder_modality_a, self.decoder_modality_v):
            nn.init.normal_(token, std=0.02)
        for name, weight in self.named_parameters():
            weight.requires_grad_("pos_embed" not in name)

    def forward(
        self, inputs: dict[str, Tensor], visible: dict[str, Tensor], temperature: float, both_directions: bool = False
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            inputs: modality -> [B, ...], by the backbone's front end.
            visible: modality -> bool [B, N], true for visible patches, equally many in every row.
            temperature: of the contrastive loss, above 0.
            both_directions: of the contrastive loss, as `contrastive_loss` says.

        Returns:
            Scalars: `audio` and `image`, the reconstruction losses of the masked patches, and `contrast`.
        """
        tokens = {m: self._encode(m, inputs[m], visible[m]) for m in inputs}
        predicted = self._decode(tokens, visible)
        pooled = {m: self.backbone.joint_tokens(x, NORMS[m]).mean(dim=1) for m, x in tokens.items()}
        losses = {m: reconstruction_loss(predicted[m], patches(inputs[m]), ~visible[m]) for m in inputs}
        contrast = contrastive_loss(pooled["audio"], pooled["image"], temperature, both_directions)
        return losses | {"contrast": contrast}

    def _encode(self, modality: str, inputs: Tensor, visible: Tensor) -> Tensor:
        """Encode the visible patches of a modality to tokens, [B, visible, D]."""
        encoder = self.backbone.encoder(modality)
        tokens = encoder.embed(inputs)
        return encoder.transform(tokens[visible].reshape(len(tokens), -1, tokens.shape[-1]))

    def _decode(self, tokens: dict[str, Tensor], visible: dict[str, Tensor]) -> dict[str, Tensor]:
        """Predict all patches of each modality, [B, N, pixels], from the visible tokens."""
        together = self.backbone.joint_tokens(torch.cat([tokens["audio"], tokens["image"]], dim=1))
        embedded = self.decoder_embed(together).to(self.mask_token.dtype)
        by_modality = embedded.split([x.shape[1] for x in tokens.values()], dim=1)
        inputs = []
        for (modality, mask), x in zip(visible.items(), by_modality, strict=True):
            filled = self.mask_token.expand(*mask.shape, -1).clone()
            filled[mask] = x.flatten(0, 1)
            suffix = NORMS[modality]
            positions = self.get_parameter(f"decoder_pos_embed{suffix}")
            inputs.append(filled + positions + self.get_parameter(f"decoder_modality{suffix}"))
        decoded = self.decoder_norm(run_blocks(self.decoder_blocks, torch.cat(inputs, dim=1)))
        audio, image = decoded.split([x.shape[1] for x in inputs], dim=1)
        return {"audio": self.decoder_pred_a(audio), "image": self.decoder_pred_v(image)}


def draw_visible(
    backbone: CavMae, rows: int, hidden: float, device: torch.device, rounded: Callable[[float], int] = math.floor
) -> dict[str, Tensor]:
    """Draw the patches that stay visible, anew for each row.

    Args:
        backbone: gives the number N of patches of each modality.
        rows: B.
        hidden: fraction of the patches to mask, 0 to 1.
        device: of the result.
        rounded: makes a whole number of the number of visible patches; as released it cuts off the decimals.

    Returns:
        modality -> bool [B, N], with the same number of true values in every row, at least one.
    """
    visible = {}
    for modality in backbone.modalities:
        n = backbone.encoder(modality).get_parameter("pos_embed").shape[1]
        count = max(1, rounded(n * (1 - hidden)))
        permutation = torch.rand(rows, n, device=device).argsort(dim=1)
        visible[modality] = permutation < count
    return visible


def patches(inputs: Tensor) -> Tensor:
    """Cut inputs into patches, each normalised to mean 0 and standard deviation 1.

    Args:
        inputs: [B, 128, F] or [B, C, H, W].

    Returns:
        [B, N, 256 C], the values of a patch in the order of its rows, columns and channels.
    """
    pixels = inputs[:, None] if inputs.dim() == 3 else inputs
    count, channels, height, width = pixels.shape
    cut = pixels.reshape(count, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    flat = cut.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, PATCH * PATCH * channels)
    variance, mean = torch.var_mean(flat, dim=-1, keepdim=True)
    return (flat - mean) / (variance + 1e-6).sqrt()


def reconstruction_loss(predicted: Tensor, wanted: Tensor, hidden: Tensor) -> Tensor:
    """Compute the mean squared error over the masked patches.

    Args:
        predicted: [B, N, pixels].
        wanted: [B, N, pixels].
        hidden: bool [B, N], true for masked patches.

    Returns:
        A scalar.
    """
    return (predicted.float() - wanted)[hidden].square().mean()


def contrastive_loss(audio: Tensor, image: Tensor, temperature: float, both_directions: bool = False) -> Tensor:
    """Compute InfoNCE on cosine similarities: the audio of each image is to be found among those of the batch.

    Args:
        audio: [B, D].
        image: [B, D]; row i belongs to row i of `audio`.
        temperature: divisor of the similarities, above 0.
        both_directions: average with the other direction, from audio to image, an option of the released code.

    Returns:
        A scalar.
    """
    cosines = normalize(audio.float(), dim=1) @ normalize(image.float(), dim=1).T / temperature
    pairs = torch.arange(len(cosines), device=cosines.device)
    to_audio = cross_entropy(cosines.T, pairs)
    return (to_audio + cross_entropy(cosines, pairs)) / 2 if both_directions else to_audio
