"""The encoder of TATE: tokens and a tag that says what is missing, fused by self-attention."""

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn


def tag_of(present: Mapping[str, Tensor]) -> Tensor:
    """Return the tags of samples: whether several modalities are missing, and for each whether it is.

    Args:
        present: modality -> bool [B].

    Returns:
        float [B, 1 + M] of zeros and ones, another one for each set of modalities.
    """
    missing = ~torch.stack(list(present.values()), dim=1)
    several = missing.sum(dim=1, keepdim=True) > 1
    return torch.cat([several, missing], dim=1).float()


def attention_block(width: int, heads: int, dropout: float) -> nn.Module:
    """Build self-attention and a two-layer MLP, each with a residual and LayerNorm, [B, N, width] to the same."""
    return nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, batch_first=True)


class TaggedEncoder(nn.Module):
    """Tokens of every modality, and which are present, to one sequence of N + 1 tokens; the last is the tag's.

    Each modality has an attention block.  Each pair of modalities has a linear map, shared by the two, into a space of
    their own; the tokens of all pairs side by side are the joint sequence, so with M modalities N is M - 1 times the
    number of tokens.  The tokens of an absent modality are zeros when its block reads them.
    """

    def __init__(self, widths: Mapping[str, int], width: int, heads: int, dropout: float) -> None:
        """Build the encoder.

        Args:
            widths: modality -> width of its tokens; at least two modalities.
            width: d, of all tokens inside.
            heads: of attention; divides `width`.
            dropout: probability, of attention and MLPs.
        """
        super().__init__()
        self.inputs = nn.ModuleDict(
            {m: nn.Sequential(nn.LayerNorm(size), nn.Linear(size, width)) for m, size in widths.items()}
        )
        self.attention = nn.ModuleDict({m: attention_block(width, heads, dropout) for m in widths})
        self.common = nn.ModuleDict({f"{a}+{b}": nn.Linear(width, width) for a, b in combinations(widths, 2)})
        self.tag = nn.Linear(1 + len(widths), width)
        self.fusion = attention_block(width, heads, dropout)

    def forward(self, tokens: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Encode samples.

        Args:
            tokens: modality -> [B, N_m, D_m].
            present: modality -> bool [B].

        Returns:
            The joint sequence, [B, N, d], and the encoded one, [B, N + 1, d].
        """
        inputs = {m: self.inputs[m](x).where(present[m][:, None, None], 0.0) for m, x in tokens.items()}
        attended = {m: self.attention[m](x) for m, x in inputs.items()}
        pairs = {pair: pair.split("+") for pair in self.common}
        joint = torch.cat([self.common[pair](attended[m]) for pair, both in pairs.items() for m in both], dim=1)
        tag = self.tag(tag_of(present).to(joint.dtype))
        return joint, self.fusion(torch.cat([joint, tag[:, None]], dim=1))
