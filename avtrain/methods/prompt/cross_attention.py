"""Cross-attention between modalities, with learned prompts among its keys and values."""

from torch import Tensor, nn

from avtrain.backbones.attention import attend
from avtrain.methods.prompt.prompt_sets import PromptSets


class PromptedCrossAttention(nn.Module):
    """Tokens of one modality attend to those of the others and to prompts; the result is added to them.

    The output map starts at zero, so training starts from the backbone's own features.
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
        """Fuse one modality with the others.

        Args:
            tokens: [B, N, D], of the modality itself.
            context: [B, M, D], of all other modalities side by side.
            visible: bool [B, M], False where a token belongs to an absent modality.
            choice: [B, S] or None, as for `PromptSets`.

        Returns:
            [B, N, D].
        """
        context = self.norm_context(context)
        prompts = self.key_prompts(choice, tokens.shape[0]), self.value_prompts(choice, tokens.shape[0])
        query, key, value = self.query(self.norm_query(tokens)), self.key(context), self.value(context)
        fused: Tensor = tokens + self.output(attend(query, key, value, self.heads, prompts, visible))
        return fused
