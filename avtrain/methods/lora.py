"""LoRA: a frozen backbone whose attention projections learn updates of low rank."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from torch import Tensor

from avtrain.backbones.base import Backbone
from avtrain.methods.shared.pooled import PooledMethod
from avtrain.methods.shared.recipe import Recipe


class LoRAConfig(Recipe):
    """Options of `lora`."""

    rank: int = Field(8, description="of each update", ge=1)
    alpha: float = Field(16.0, description="updates are scaled by alpha / rank", gt=0)
    dropout: float = Field(0.0, description="of an update's input, in training", ge=0, lt=1)


class LoRA(PooledMethod):
    """W x + (alpha / rank) B A x in every attention projection of a frozen backbone; A, B and the head are trained.

    Hu et al.: LoRA, Low-rank adaptation of large language models, ICLR 2022, through the library peft.  A is random
    and B zero, so training starts at the backbone's own output.  As theirs, updates are for attention alone.  There:
    mostly queries and values; here: keys and the output projection too, which their Table 5 finds no worse at equal
    size, since some backbones hold queries, keys and values in one map.
    """

    name = "lora"
    source = "Hu et al., ICLR 2022"
    Config = LoRAConfig
    default_lr = 1e-3

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LoRAConfig) -> None:
        backbone.require_transformers("method lora")
        from peft import LoraConfig, inject_adapter_in_model  # takes seconds, which no other method should wait for

        super().__init__(backbone, classes, scenarios, config)
        self.freeze_backbone()
        places = {id(part) for m in backbone.modalities for part in backbone.encoder(m).attention_projections()}
        names = [name for name, part in backbone.named_modules() if id(part) in places]
        updates = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,  # type: ignore[arg-type]  # declared int; only ever divided by the rank
            lora_dropout=config.dropout,
            target_modules=names,
        )
        inject_adapter_in_model(updates, backbone)

    @classmethod
    def merged(cls, weights: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
        """W + (alpha / rank) B A in the place of W, A and B: the backbone as any other method takes it."""
        merged = {key.replace(".base_layer.", "."): value for key, value in weights.items() if ".lora_" not in key}
        for key in weights:
            if ".lora_A." in key:
                update = weights[key.replace(".lora_A.", ".lora_B.")] @ weights[key]
                place = key.replace(".lora_A.default.", ".")
                merged[place] = merged[place] + config.alpha / config.rank * update
        return merged
