"""CAV-MAE's pretraining: hidden patches to be told from visible ones, and the two halves of a pair to be matched."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from avtrain.backbones.cav_mae import PATCH, CavMae
from avtrain.backbones.cav_mae_blocks import NORMS, grid_positions, initialise, make_blocks, run_blocks


@dataclass(frozen=True)
class DecoderShape:
    """Of the decoder: how many blocks, how wide, how many attention heads."""

    layers: int
    width: int
    heads: int


class MaskedAutoencoder(nn.Module):
    """A `CavMae` that sees a part of each modality's patches, and a decoder that fills in the rest.

    Gong et al., ICLR 2023, sections 2.3 and 2.4.  The visible tokens go through the joint block twice: together, for
    the decoder, and each modality by its own norms, for the contrast.  Positions stay as they are, as in He et al.:
    Masked autoencoders, CVPR 2022.  The names of the weights are those of the published checkpoints.
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
        for name, part in self.named_children():
            if name != "backbone":  # which may hold weights to go on from
                part.apply(initialise)
        for token in (self.mask_token, self.decoder_modality_a, self.decoder_modality_v):
            nn.init.normal_(token, std=0.02)
        for name, weight in self.named_parameters():
            weight.requires_grad_("pos_embed" not in name)

    def forward(self, inputs: dict[str, Tensor], visible: dict[str, Tensor], temperature: float) -> dict[str, Tensor]:
        """Three losses, scalars: `audio` and `image`, of the hidden patches, and `contrast`.

        inputs: modality -> [B, ...] by the backbone's front end.  visible: modality -> bool [B, N], in every row as
        many as in the others.
        """
        tokens = {m: self._encode(m, inputs[m], visible[m]) for m in inputs}
        predicted = self._decode(tokens, visible)
        own = {m: self.backbone.joint_tokens(x, NORMS[m]).mean(dim=1) for m, x in tokens.items()}
        losses = {m: reconstruction_loss(predicted[m], patches(inputs[m]), ~visible[m]) for m in inputs}
        return losses | {"contrast": contrastive_loss(own["audio"], own["image"], temperature)}

    def _encode(self, modality: str, inputs: Tensor, visible: Tensor) -> Tensor:
        encoder = self.backbone.encoder(modality)
        tokens = encoder.embed(inputs)
        return encoder.transform(tokens[visible].reshape(len(tokens), -1, tokens.shape[-1]))

    def _decode(self, tokens: dict[str, Tensor], visible: dict[str, Tensor]) -> dict[str, Tensor]:
        """Predicted patches of each modality, [B, N, pixels]."""
        together = self.backbone.joint_tokens(torch.cat([tokens["audio"], tokens["image"]], dim=1))
        seen = self.decoder_embed(together).to(self.mask_token.dtype).split([x.shape[1] for x in tokens.values()], 1)
        whole = []
        for (modality, there), part in zip(visible.items(), seen, strict=True):
            places = self.mask_token.expand(*there.shape, -1).clone()
            places[there] = part.flatten(0, 1)
            letter = NORMS[modality]
            positions = self.get_parameter(f"decoder_pos_embed{letter}")
            whole.append(places + positions + self.get_parameter(f"decoder_modality{letter}"))
        decoded = self.decoder_norm(run_blocks(self.decoder_blocks, torch.cat(whole, dim=1)))
        audio, image = decoded.split([x.shape[1] for x in whole], dim=1)
        return {"audio": self.decoder_pred_a(audio), "image": self.decoder_pred_v(image)}


def draw_visible(backbone: CavMae, rows: int, hidden: float, device: torch.device) -> dict[str, Tensor]:
    """Which patches stay visible, modality -> bool [rows, N], drawn anew for each row; a part `hidden` does not."""
    visible = {}
    for modality in backbone.modalities:
        patches_there = backbone.encoder(modality).get_parameter("pos_embed").shape[1]
        count = max(1, round(patches_there * (1 - hidden)))
        order = torch.rand(rows, patches_there, device=device).argsort(dim=1)
        visible[modality] = order < count  # of a permutation, so `count` in every row
    return visible


def patches(inputs: Tensor) -> Tensor:
    """Pixels of each patch in the order of its rows, columns, channels, brought to mean 0 and deviation 1.

    inputs: [B, 128, F] or [B, C, H, W].  Returns [B, N, 256 C].
    """
    pixels = inputs[:, None] if inputs.dim() == 3 else inputs
    count, channels, height, width = pixels.shape
    cut = pixels.reshape(count, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    flat = cut.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, PATCH * PATCH * channels)
    variance, mean = torch.var_mean(flat, dim=-1, keepdim=True)
    return (flat - mean) / (variance + 1e-6).sqrt()


def reconstruction_loss(predicted: Tensor, wanted: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error of the hidden patches; what is said of the visible ones does not count.

    predicted, wanted: [B, N, pixels].  hidden: bool [B, N].
    """
    return (predicted.float() - wanted)[hidden].square().mean()


def contrastive_loss(audio: Tensor, image: Tensor, temperature: float) -> Tensor:
    """InfoNCE on cosines, the mean of both directions: which picture belongs to a sound, which sound to a picture.

    audio, image: [B, D], row i of one belongs to row i of the other.
    """
    cosines = normalize(audio.float(), dim=1) @ normalize(image.float(), dim=1).T / temperature
    pairs = torch.arange(len(cosines), device=cosines.device)
    return (cross_entropy(cosines, pairs) + cross_entropy(cosines.T, pairs)) / 2
