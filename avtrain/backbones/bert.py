"""BERT's encoder for text, in the key layout of its Hugging Face original.  Devlin et al., NAACL 2019.

Texts of unequal length stand in one tensor: **a padded position is a vector of zeros behind the last token of its
text**, in every layer.  So no mask has to be passed along beside the tokens: prompts in front of them, mixtures of two
texts, cached tokens and parts of a batch keep it.  Padding is no key of any attention, and no part of any mean.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avtrain.backbones.attention import Prompts, attend
from avtrain.backbones.base import Encoder
from avtrain.frontends.wordpiece import WordPiece

EPS = 1e-12  # of every LayerNorm


class SelfAttention(nn.Module):
    """Multi-head self-attention over the tokens that are no padding.  [B, N, D] to [B, N, D].

    The norm that the original counts among its parts is applied by `Layer`, after the residual.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.self = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, eps=EPS)})

    def forward(self, tokens: Tensor, prompts: Prompts | None, visible: Tensor) -> Tensor:
        query, key, value = (self.self[name](tokens) for name in ("query", "key", "value"))
        output: Tensor = self.output["dense"](attend(query, key, value, self.heads, prompts, visible))
        return output


class Layer(nn.Module):
    """Attention and MLP, each followed by the residual and a norm (post-norm).  [B, N, D] to [B, N, D]."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, hidden)})
        self.output = nn.ModuleDict({"dense": nn.Linear(hidden, width), "LayerNorm": nn.LayerNorm(width, eps=EPS)})

    def forward(self, tokens: Tensor, prompts: Prompts | None = None) -> Tensor:
        visible = before_padding((tokens != 0).any(dim=-1))
        tokens = self.attention.output["LayerNorm"](tokens + self.attention(tokens, prompts, visible))
        hidden = functional.gelu(self.intermediate["dense"](tokens))
        output: Tensor = self.output["LayerNorm"](tokens + self.output["dense"](hidden))
        return without_padding(output, visible)


class BertEncoder(Encoder):
    """Token ids int64 [B, N], or blended word embeddings [B, N, D], to tokens [B, N, D], zeros where there is padding.

    The vocabulary and the number of heads are among the weights, so that a run needs no other file.
    """

    vocabulary: Tensor  # uint8, the definition of a `WordPiece`
    attention_heads: Tensor  # int64, a scalar

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        layers: int,
        hidden: int,
        positions: int,
        words: int,
        vocabulary: WordPiece,
        types: int = 2,
    ) -> None:
        """Build the encoder with random weights.

        Args:
            width: D, of a token.
            heads: number of attention heads; divides the width.
            layers: number of layers.
            hidden: number of hidden units of an MLP.
            positions: length of the longest text in tokens.
            words: number of word embeddings, at least as many as the vocabulary has.
            vocabulary: names [PAD].
            types: number of segment embeddings, of which the first is used.
        """
        super().__init__()
        self.width = self.pooled_width = width
        self.padding = vocabulary.padding
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(words, width),
                "position_embeddings": nn.Embedding(positions, width),
                "token_type_embeddings": nn.Embedding(types, width),
                "LayerNorm": nn.LayerNorm(width, eps=EPS),
            }
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(width, heads, hidden) for _ in range(layers))})
        self.register_buffer("vocabulary", as_weights(vocabulary))
        self.register_buffer("attention_heads", torch.tensor(heads))
        for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
            nn.init.normal_(self._table(name), std=0.02)

    def blendable(self, inputs: Tensor) -> Tensor:
        """Return word embeddings, [B, N, D], which can be averaged, for token ids, [B, N], which cannot."""
        if inputs.is_floating_point():
            return inputs
        return without_padding(self.embeddings["word_embeddings"](inputs), before_padding(inputs != self.padding))

    def embed(self, inputs: Tensor) -> Tensor:
        words = self.blendable(inputs)
        visible = before_padding((words != 0).any(dim=-1))
        tokens = words + self._table("position_embeddings")[: words.shape[1]] + self._table("token_type_embeddings")[0]
        return without_padding(self.embeddings["LayerNorm"](tokens), visible)

    def blocks(self) -> list[nn.Module]:
        layers = self.encoder["layer"]
        assert isinstance(layers, nn.ModuleList)
        return list(layers)

    def sublayers(self) -> list[nn.Module]:
        layers = [block for block in self.blocks() if isinstance(block, Layer)]
        return [module for layer in layers for module in (layer.attention, layer.output["dense"])]

    def attention_projections(self) -> list[nn.Module]:
        return [
            projection
            for block in self.blocks()
            if isinstance(block, Layer)
            for projection in (*block.attention.self.values(), block.attention.output["dense"])
        ]

    def last_norm(self, tokens: Tensor) -> Tensor:
        return tokens  # every layer ends with one

    def reduce(self, tokens: Tensor, most: int) -> Tensor:
        """Average each text's own tokens in G groups of equal weight, so that `pool` gives the same.

        A token between two groups counts in both by its share; a text of fewer than G tokens repeats them.

        Args:
            tokens: [B, N, D], with padding.
            most: upper limit of the number of groups.

        Returns:
            [B, G, D] without padding, where G is the smaller one of N and `most`.
        """
        groups = min(most, tokens.shape[1])
        count = before_padding((tokens != 0).any(dim=-1)).sum(dim=1).to(tokens.dtype)[:, None, None]
        # group g has the places g n / G to (g + 1) n / G of n tokens, token i the places i to i + 1
        borders = torch.arange(groups + 1, device=tokens.device)[None, :, None] * count / groups
        places = torch.arange(tokens.shape[1], device=tokens.device)
        shared = torch.minimum(borders[:, 1:], places + 1) - torch.maximum(borders[:, :-1], places)
        return (shared.clamp(min=0) * groups / count) @ tokens

    def pool(self, tokens: Tensor) -> Tensor:
        """Average the tokens that are no padding.  [B, N, D] to [B, D]."""
        return tokens.sum(dim=1) / before_padding((tokens != 0).any(dim=-1)).sum(dim=1, keepdim=True)

    def _table(self, name: str) -> Tensor:
        """Return the weights of an embedding."""
        table = self.embeddings[name].weight
        assert isinstance(table, Tensor)
        return table


def before_padding(filled: Tensor) -> Tensor:
    """Return which positions are no padding: all up to the last one that is filled, and always the first.

    A sample of padding alone, which stands for a missing text, so has something to attend to.

    Args:
        filled: bool [B, N].
    """
    visible = filled.flip(1).long().cumsum(dim=1).flip(1) > 0
    return torch.cat([torch.ones_like(visible[:, :1]), visible[:, 1:]], dim=1)


def without_padding(tokens: Tensor, visible: Tensor) -> Tensor:
    """Set padding to zeros.

    Args:
        tokens: [B, N, D].
        visible: bool [B, N], by `before_padding`.
    """
    return tokens.where(visible[..., None], 0.0)


def as_weights(vocabulary: WordPiece) -> Tensor:
    """Return a vocabulary as a tensor among the weights, uint8."""
    return torch.frombuffer(bytearray(vocabulary.definition, "utf-8"), dtype=torch.uint8)


def vocabulary_in(weights: Tensor) -> WordPiece:
    """Return the vocabulary that `as_weights` made a tensor of."""
    return WordPiece(weights.cpu().numpy().tobytes().decode("utf-8"))
