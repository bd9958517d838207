"""Parts of methods that imagine missing modalities: their encoders, and errors on the cells that are known."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from avtrain.methods.shared.residual_autoencoder import MLP, MLP_WIDTH

LAYERS = (256, 128, 64)  # of each autoencoder of a cascade
BLOCKS = 5  # autoencoders of a cascade


class Encoders(nn.Module):
    """One MLP for each modality; their outputs stand side by side.

    Attributes:
        width: M times 128, of the output.
    """

    def __init__(self, widths: Mapping[str, int], dropout: float) -> None:
        super().__init__()
        self.width = MLP_WIDTH * len(widths)
        self.parts = nn.ModuleDict({m: MLP(width, dropout=dropout) for m, width in widths.items()})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return [B, width].  x: modality -> [B, D_m], zeros where it is missing."""
        return torch.cat([part(x[m]) for m, part in self.parts.items()], dim=1)


def hidden_from(present: Mapping[str, Tensor], shown: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the modalities that samples have but are not shown with, modality -> bool [B]."""
    return {m: mask & ~shown[m] for m, mask in present.items()}


def known_error(values: Tensor, targets: Tensor, present: Mapping[str, Tensor]) -> Tensor:
    """Average the squared differences over the cells of modalities that samples have; 0 where there are none.

    Args:
        values: [B, M * W], W numbers for each modality.
        targets: [B, M * W].
        present: modality -> bool [B].
    """
    count, modalities = len(values), len(present)
    known = torch.stack(list(present.values()), dim=1)[..., None]  # [B, M, 1]
    squares = (values - targets).square().reshape(count, modalities, -1)
    return squares.where(known, 0.0).sum() / (known.sum() * squares.shape[2]).clamp(min=1)
