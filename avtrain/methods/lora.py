"""LoRA: a frozen backbone whose attention projections learn updates of low rank."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from avtrain.backbones.base import Backbone
from avtrain.methods.shared.pooled import PooledMethod
from avtrain.methods.shared.recipe import Recipe


class LoRAConfig(Recipe):
    """Options of `lora`."""

    rank: int = Field(8, description="rank of each update", ge=1)
    alpha: float = Field(16.0, description="updates are scaled by alpha / rank", gt=0)
    dropout: float = Field(0.0, description="dropout of an update's input in training", ge=0, lt=1)


class LoRA(PooledMethod):
    """A frozen backbone with W x + (alpha / rank) B A x in every attention projection; A, B and the head are trained.

    Hu et al.: LoRA, Low-rank adaptation of large language models, ICLR 2022, by the library peft.

    A is random and B zero, so training starts at the backbone's own output.  As in the paper, only attention is
    updated.  The paper mostly updates queries and values; here keys and the output projection are updated too, which
    its Table 5 finds no worse at equal size, since some backbones hold queries, keys and values in one matrix.
    Blocks that serve all modalities, such as the joint block of CAV-MAE, have updates too; in runs of avtrain 0.1 they
    have none.
    """

    name = "lora"
    source = "Hu et al., ICLR 2022"
    Config = LoRAConfig
    default_lr = 1e-3

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LoRAConfig) -> None:
        backbone.require_transformers("method lora")
        from peft import LoraConfig, inject_adapter_in_model  # takes seconds, which other methods should not wait for

        super().__init__(backbone, classes, scenarios, config)
        self.freeze_backbone()
        projections = {id(x) for m in backbone.modalities for x in backbone.encoder(m).attention_projections()}
        projections |= {id(x) for x in backbone.shared_projections()}
        names = [name for name, module in backbone.named_modules() if id(module) in projections]
        updates = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,  # type: ignore[arg-type]  # declared int; only ever divided by the rank
            lora_dropout=config.dropout,
            target_modules=names,
        )
        inject_adapter_in_model(updates, backbone)

    def load_run_weights(self, weights: Mapping[str, Tensor]) -> None:
        loaded, lacking = dict(weights), self.state_dict().keys() - weights.keys()
        shared = [f"{name}." for name, module in self.named_modules() if module in self.backbone.shared_projections()]
        if lacking and all(key.startswith(tuple(shared)) for key in lacking):  # there were no updates in these
            for key in lacking:
                if ".lora_" not in key:
                    loaded[key] = loaded.pop(key.replace(".base_layer.", "."))
                else:
                    value = self.state_dict()[key]
                    loaded[key] = torch.zeros_like(value) if ".lora_B." in key else value
        super().load_run_weights(loaded)

    @classmethod
    def merged(cls, weights: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
        """Return the weights with W + (alpha / rank) B A in place of W, A and B, as any other method can load them."""
        merged = {key.replace(".base_layer.", "."): value for key, value in weights.items() if ".lora_" not in key}
        for key in weights:
            if ".lora_A." in key:
                update = weights[key.replace(".lora_A.", ".lora_B.")] @ weights[key]
                updated = key.replace(".lora_A.default.", ".")
                merged[updated] = merged[updated] + config.alpha / config.rank * update
        return merged
