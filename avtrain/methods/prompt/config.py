"""The options of `prompt`."""

from typing import Literal

from pydantic import Field

from avtrain.methods.shared.recipe import Recipe

Inference = Literal["oracle", "concat", "router"]


class PromptConfig(Recipe):
    """Options of `prompt`."""

    depth: Literal["fusion", "input", "deep"] = Field(
        "fusion",
        description="prompts in the fusion only; before one encoder layer too; before every layer above it too",
    )
    below: float = Field(
        0.5, description="fraction of the encoder layers below the first with input-level prompts", ge=0, lt=1
    )
    sets: Literal["scenario", "shared"] = Field(
        "scenario", description="a set of prompts for each scenario, or one set for all of them"
    )
    training: Literal["together", "as_published"] = Field(
        "together",
        description="all sets, the fusion and the head together; or each set on its own scenario, all else frozen",
    )
    length: int = Field(8, description="number of input-level prompts of a modality and scenario", ge=1)
    fusion_length: int = Field(8, description="number of attention-level prompts of a modality and scenario", ge=1)
    heads: int = Field(4, description="attention heads of the fusion; must divide the backbone's width", ge=1)
    fusion_lr: float | None = Field(
        None,
        description="learning rate of the fusion's linear maps, as a multiple of that of the prompts; none: 1 on a "
        "pretrained backbone, 0.001 on that of a run (--init-from)",
        gt=0,
    )
    tokens: int = Field(4, description="number of groups of tokens of a modality that the fusion reads", ge=1)
    mixup: float = Field(1.0, description="share of the samples that is blended with another", ge=0, le=1)
    inference: Inference = Field("router", description="inference mode by which the best epoch is selected")
    router_width: int = Field(64, description="number of hidden units of the router", ge=1)
    router_lr: float = Field(1.0, description="learning rate of the router, as a multiple of that of the prompts", gt=0)
