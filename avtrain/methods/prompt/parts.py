"""What `prompt` is made of: sets of prompts, a fusion that reads them, a router that mixes them."""

import torch
from torch import Tensor, nn

from avtrain.backbones.attention import attend


class PromptSets(nn.Module):
    """One set of prompts a scenario.

    choice: [B, S], how much of each set a sample gets, [B, P, D] in all; None: all sets side by side, [B, S P, D].
    All sets start as one, so that they differ by what they learned.
    """

    def __init__(self, scenarios: int, length: int, width: int) -> None:
        super().__init__()
        self.sets = nn.Parameter((torch.randn(1, length, width) * 0.02).repeat(scenarios, 1, 1))

    def forward(self, choice: Tensor | None, samples: int) -> Tensor:
        if choice is None:
            return self.sets.flatten(0, 1).expand(samples, -1, -1)
        return torch.einsum("bs,spd->bpd", choice, self.sets)


class PromptedCrossAttention(nn.Module):
    """Tokens of one modality look at the others' and at prompts in keys and values; the result is added to them.

    The output map starts at zero, so that training starts from the backbone's own features.
    """

    def __init__(self, scenarios: int, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_query, self.norm_context = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        # as in attention-level prompting, prompts join after the projections and are not projected themselves
        self.key_prompts = PromptSets(scenarios, length, width)
        self.value_prompts = PromptSets(scenarios, length, width)

    def forward(self, tokens: Tensor, context: Tensor, visible: Tensor, choice: Tensor | None) -> Tensor:
        """tokens: [B, N, D].  context: [B, M, D].  visible: bool [B, M].  choice: as for PromptSets.

        Returns [B, N, D].
        """
        context = self.norm_context(context)
        prompts = self.key_prompts(choice, tokens.shape[0]), self.value_prompts(choice, tokens.shape[0])
        query, key, value = self.query(self.norm_query(tokens)), self.key(context), self.value(context)
        fused: Tensor = tokens + self.output(attend(query, key, value, self.heads, prompts, visible))
        return fused


class Router(nn.Module):
    """How much of each set a sample gets, seen from the sample itself: frozen features to a mixture, [B, S].

    An absent modality shows as zeros behind the norm.
    """

    def __init__(self, widths: dict[str, int], hidden: int, scenarios: int) -> None:
        super().__init__()
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name, width in widths.items()})
        self.maps = nn.Sequential(nn.Linear(sum(widths.values()), hidden), nn.GELU(), nn.Linear(hidden, scenarios))

    def forward(self, pooled: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        """pooled: name -> [B, F].  present: modality -> bool [B].  Returns logits [B, S]."""
        normed = {name: self.norms[name](x) for name, x in pooled.items()}
        seen = [x.where(present[name][:, None], 0.0) if name in present else x for name, x in normed.items()]
        logits: Tensor = self.maps(torch.cat(seen, dim=1))
        return logits
