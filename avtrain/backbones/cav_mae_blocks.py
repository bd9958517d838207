"""CAV-MAE's transformer block, in the key layout of its original.  Gong et al., ICLR 2023."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from avtrain.backbones.attention import Prompts, attend

UNIFIED, NORMS = "", {"audio": "_a", "image": "_v"}  # suffixes of the norms that a pass uses


class Attention(nn.Module):
    """Multi-head self-attention with one projection for query, key and value.  [B, N, D] to [B, N, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, prompts: Prompts | None = None) -> Tensor:
        query, key, value = self.qkv(tokens).chunk(3, dim=-1)
        output: Tensor = self.proj(attend(query, key, value, self.heads, prompts))
        return output


class Mlp(nn.Module):
    """Linear map to four times the width, GELU, linear map back.  [B, N, D] to [B, N, D]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        output: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return output


class Block(nn.Module):
    """Pre-norm attention and MLP, with three pairs of norms: for both modalities together, for audio, for images.

    Attention and MLP are the same in every pass; `norms`, `UNIFIED` or one of `NORMS`, chooses the norms.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm1_a, self.norm1_v = (nn.LayerNorm(width) for _ in range(3))
        self.attn = Attention(width, heads)
        self.norm2, self.norm2_a, self.norm2_v = (nn.LayerNorm(width) for _ in range(3))
        self.mlp = Mlp(width)

    def forward(self, tokens: Tensor, prompts: Prompts | None = None, norms: str = UNIFIED) -> Tensor:
        tokens = tokens + self.attn(getattr(self, f"norm1{norms}")(tokens), prompts)
        output: Tensor = tokens + self.mlp(getattr(self, f"norm2{norms}")(tokens))
        return output


def make_blocks(blocks: int, width: int, heads: int) -> nn.ModuleList:
    """Build randomly initialised blocks.

    Args:
        blocks: number of blocks.
        width: D, of a token.
        heads: number of attention heads; divides the width.
    """
    return nn.ModuleList(Block(width, heads) for _ in range(blocks))


def run_blocks(blocks: Iterable[nn.Module], tokens: Tensor, norms: str = UNIFIED) -> Tensor:
    """Apply blocks one after the other.

    Args:
        blocks: by `make_blocks`.
        tokens: [B, N, D].
        norms: which of the norms to use, `UNIFIED` or one of `NORMS`.

    Returns:
        [B, N, D].
    """
    for block in blocks:
        tokens = block(tokens, norms=norms)
    return tokens


def sublayers_of(blocks: Iterable[nn.Module]) -> list[nn.Module]:
    """Return attention and MLP of every block.  blocks: by `make_blocks`."""
    return [module for block in blocks if isinstance(block, Block) for module in (block.attn, block.mlp)]


def projections_of(blocks: Iterable[nn.Module]) -> list[nn.Module]:
    """Return the linear maps of every block's attention.  blocks: by `make_blocks`."""
    attentions = [block.attn for block in blocks if isinstance(block, Block)]
    return [projection for attention in attentions for projection in (attention.qkv, attention.proj)]


def grid_positions(rows: int, columns: int, width: int) -> Tensor:
    """Compute sinusoidal positions of a grid of patches, with wavelengths from 2 pi to nearly 20,000 pi.

    Source: He et al.: Masked autoencoders are scalable vision learners, CVPR 2022.

    Args:
        rows: of the grid.
        columns: of the grid.
        width: of a token, a multiple of 4.

    Returns:
        [1, rows * columns, width] in row order: sines and cosines of the column, then those of the row.
    """
    rates = 10_000 ** (-torch.arange(width // 4) / (width // 4))
    down, across = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = [places.flatten()[:, None] * rates for places in (across, down)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)[None]


def initialise(module: nn.Module) -> None:
    """Initialise linear maps and patch projections by Xavier's uniform law, biases with zero.  For `Module.apply`."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight.flatten(1))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
