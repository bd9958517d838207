"""Whisper's audio encoder, in the key layout of its Hugging Face original.  Radford et al., ICML 2023."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avtrain.backbones.attention import Prompts, attend
from avtrain.backbones.base import Encoder
from avtrain.frontends.whisper_mel import MEL_BINS


class SelfAttention(nn.Module):
    """Multi-head self-attention, without a bias for keys.  [B, N, D] to [B, N, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, prompts: Prompts | None = None) -> Tensor:
        query, key, value = self.q_proj(tokens), self.k_proj(tokens), self.v_proj(tokens)
        output: Tensor = self.out_proj(attend(query, key, value, self.heads, prompts))
        return output


class Layer(nn.Module):
    """Pre-norm attention and MLP.  [B, N, D] to [B, N, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = SelfAttention(width, heads)
        self.final_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor, prompts: Prompts | None = None) -> Tensor:
        tokens = tokens + self.self_attn(self.self_attn_layer_norm(tokens), prompts)
        hidden = functional.gelu(self.fc1(self.final_layer_norm(tokens)))
        output: Tensor = tokens + self.fc2(hidden)
        return output


class WhisperEncoder(Encoder):
    """Log-mel spectrograms [B, 80, frames] to tokens [B, frames / 2, D]."""

    def __init__(self, *, width: int, heads: int, layers: int, positions: int) -> None:
        """Build the encoder with random weights.

        Args:
            width: D, of a token.
            heads: number of attention heads; divides the width.
            layers: number of layers.
            positions: length of the longest input in tokens; Whisper's 1,500 are 30 s.
        """
        super().__init__()
        self.width = self.pooled_width = width
        self.conv1 = nn.Conv1d(MEL_BINS, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(positions, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)
        with torch.no_grad():
            self.embed_positions.weight.copy_(sinusoids(positions, width))

    def embed(self, inputs: Tensor) -> Tensor:
        frames = functional.gelu(self.conv2(functional.gelu(self.conv1(inputs)))).transpose(1, 2)
        return frames + self.embed_positions.weight[: frames.shape[1]]

    def blocks(self) -> list[nn.Module]:
        return list(self.layers)

    def sublayers(self) -> list[nn.Module]:
        layers = [block for block in self.blocks() if isinstance(block, Layer)]
        return [module for layer in layers for module in (layer.self_attn, layer.fc2)]

    def attention_projections(self) -> list[nn.Module]:
        return [
            projection
            for block in self.blocks()
            if isinstance(block, Layer)
            for projection in (
                block.self_attn.q_proj,
                block.self_attn.k_proj,
                block.self_attn.v_proj,
                block.self_attn.out_proj,
            )
        ]

    def last_norm(self, tokens: Tensor) -> Tensor:
        normed: Tensor = self.layer_norm(tokens)
        return normed


def sinusoids(length: int, width: int) -> Tensor:
    """Compute Whisper's positions: sines, then cosines, of wavelengths from 2 pi to 20,000 pi.

    Args:
        length: number of positions.
        width: of a token, even.

    Returns:
        [length, width].
    """
    rates = torch.exp(-math.log(10_000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
