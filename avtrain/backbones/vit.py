"""A vision transformer with DINOv2's architecture, in the key layout of its Hugging Face original.

Oquab et al.: DINOv2, TMLR 2024; Dosovitskiy et al., ICLR 2021.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avtrain.backbones.attention import Prompts, attend
from avtrain.backbones.base import Encoder


class SelfAttention(nn.Module):
    """Multi-head self-attention with separate query, key and value projections.  [B, N, D] to [B, N, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(width, width)})

    def forward(self, tokens: Tensor, prompts: Prompts | None = None) -> Tensor:
        query, key, value = (self.attention[name](tokens) for name in ("query", "key", "value"))
        output: Tensor = self.output["dense"](attend(query, key, value, self.heads, prompts))
        return output


class LayerScale(nn.Module):
    """Multiplication of a residual branch by a learned factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.lambda1


class Layer(nn.Module):
    """Pre-norm attention and MLP, each scaled before it is added.  [B, N, D] to [B, N, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = SelfAttention(width, heads)
        self.layer_scale1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.layer_scale2 = LayerScale(width)

    def forward(self, tokens: Tensor, prompts: Prompts | None = None) -> Tensor:
        tokens = tokens + self.layer_scale1(self.attention(self.norm1(tokens), prompts))
        hidden = functional.gelu(self.mlp["fc1"](self.norm2(tokens)))
        output: Tensor = tokens + self.layer_scale2(self.mlp["fc2"](hidden))
        return output


class Embeddings(nn.Module):
    """Class token and patches, with positions.  [B, 3, H, W] to [B, 1 + patches, D]."""

    def __init__(self, width: int, patch: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embeddings = nn.ModuleDict({"projection": nn.Conv2d(3, width, patch, stride=patch)})
        self.position_embeddings = nn.Parameter(torch.zeros(1, grid * grid + 1, width))

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embeddings["projection"](images)
        positions = self._positions(patches.shape[-2], patches.shape[-1])
        tokens = patches.flatten(2).transpose(1, 2)
        return torch.cat([self.cls_token.expand(tokens.shape[0], -1, -1), tokens], dim=1) + positions

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Return the learned positions, resampled to another grid as DINOv2 does it, without antialiasing."""
        if rows == columns == self.grid:
            return self.position_embeddings
        first, grid = self.position_embeddings[:, :1], self.position_embeddings[:, 1:]
        square = grid.reshape(1, self.grid, self.grid, -1).permute(0, 3, 1, 2)
        fitted = functional.interpolate(square, (rows, columns), mode="bicubic", align_corners=False, antialias=False)
        return torch.cat([first, fitted.flatten(2).transpose(1, 2)], dim=1)


class VisionTransformer(Encoder):
    """Normalised images [B, 3, H, W] to tokens [B, 1 + patches, D], the class token first."""

    def __init__(self, *, width: int, heads: int, layers: int, patch: int, grid: int) -> None:
        super().__init__()
        self.width, self.pooled_width = width, 2 * width
        self.embeddings = Embeddings(width, patch, grid)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(width, heads) for _ in range(layers))})
        self.layernorm = nn.LayerNorm(width, eps=1e-6)

    def embed(self, inputs: Tensor) -> Tensor:
        tokens: Tensor = self.embeddings(inputs)
        return tokens

    def blocks(self) -> list[nn.Module]:
        layers = self.encoder["layer"]
        assert isinstance(layers, nn.ModuleList)
        return list(layers)

    def sublayers(self) -> list[nn.Module]:
        # only a factor for each channel follows them
        layers = [block for block in self.blocks() if isinstance(block, Layer)]
        return [module for layer in layers for module in (layer.attention, layer.mlp["fc2"])]

    def attention_projections(self) -> list[nn.Module]:
        return [
            projection
            for block in self.blocks()
            if isinstance(block, Layer)
            for projection in (*block.attention.attention.values(), block.attention.output["dense"])
        ]

    def last_norm(self, tokens: Tensor) -> Tensor:
        normed: Tensor = self.layernorm(tokens)
        return normed

    def reduce(self, tokens: Tensor, most: int) -> Tensor:
        """Keep the class token and average square groups of patches.

        Args:
            tokens: [B, 1 + patches, D].
            most: upper limit of the number of groups.

        Returns:
            [B, 1 + G, D].
        """
        side = math.isqrt(tokens.shape[1] - 1)
        groups = max(g for g in range(1, side + 1) if side % g == 0 and g * g <= most)
        across = side // groups
        squares = tokens[:, 1:].reshape(tokens.shape[0], groups, across, groups, across, -1)
        return torch.cat([tokens[:, :1], squares.mean(dim=(2, 4)).flatten(1, 2)], dim=1)

    def pool(self, tokens: Tensor) -> Tensor:
        """Concatenate class token and mean of the patches, as in DINOv2's linear evaluation.  [B, N, D] to [B, 2 D]."""
        return torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)
