"""The networks of methods that imagine missing modalities: small MLPs, autoencoders, cascades of autoencoders."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

MLP_WIDTH = 128


class MLP(nn.Sequential):
    """Three linear maps, D -> 128 -> 128 -> out, with ReLU and dropout between them."""

    def __init__(self, width: int, out: int = MLP_WIDTH, dropout: float = 0.5, hidden: int = MLP_WIDTH) -> None:
        super().__init__(
            *(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(hidden, out),
        )


class Autoencoder(nn.Module):
    """An encoder D -> layers and a decoder back, with LeakyReLU after each map but the last of the decoder.

    Attributes:
        encoder: [B, D] to the latent [B, layers[-1]].
        decoder: the latent to [B, D].
    """

    def __init__(self, width: int, layers: Sequence[int], relu_output: bool = False) -> None:
        """Build both.

        Args:
            width: D.
            layers: widths of the encoder, the last of them that of the latent.
            relu_output: whether a ReLU ends the decoder.
        """
        super().__init__()
        down = [width, *layers]
        up = down[::-1]
        self.encoder = nn.Sequential(*_maps(down), nn.LeakyReLU())
        self.decoder = nn.Sequential(*_maps(up), *([nn.ReLU()] if relu_output else []))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction, [B, D], and the latent.  x: [B, D]."""
        latent = self.encoder(x)
        return self.decoder(latent), latent


class ResidualAutoencoder(nn.Module):
    """A cascade of autoencoders, each of which sees what the ones before it have made of the input.

    Tran et al.: Missing modalities imputation via cascaded residual autoencoder, CVPR 2017.  With out_0 = 0,

        x_i = x_(i-1) + out_(i-1),    out_i = AE_i(x_i),    result = T(x_n + out_n)               residual
        x_1 = x + s,    x_i = out_(i-1) + s,    out_i = AE_i(x_i),    result = T(out_n)           not residual

    where s is a shared part that IF-MMIN adds to the input of every block, and T = Linear(ReLU(Linear(.))).
    """

    def __init__(self, width: int, layers: Sequence[int], blocks: int, residual: bool = True) -> None:
        """Build the cascade.

        Args:
            width: D, of the input and the result.
            layers: of each autoencoder.
            blocks: n, from 1.
            residual: whether a block adds to its input, or replaces it.
        """
        super().__init__()
        self.residual = residual
        self.blocks = nn.ModuleList(Autoencoder(width, layers) for _ in range(blocks))
        self.transition = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: Tensor, shared: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Complete the input.

        Args:
            x: [B, D].
            shared: s, [B, D]; None: nothing is added.

        Returns:
            The result, [B, D], and the latents of all blocks side by side, [B, blocks * layers[-1]].
        """
        latents = []
        for block in self.blocks:
            x = x if shared is None else x + shared
            out, latent = block(x)
            latents.append(latent)
            x = x + out if self.residual else out
        return self.transition(x), torch.cat(latents, dim=1)


def _maps(widths: Sequence[int]) -> list[nn.Module]:
    """Return linear maps from each width to the next, with a LeakyReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU()]
    return layers[:-1]
