"""The base of methods of balanced multimodal learning: one feature vector for each modality, all of one width."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Method


class FeatureOptions(Frozen):
    """Options of all these methods."""

    frozen: bool = Field(False, description="keep the backbone as it is and train small maps on it")
    width: int = Field(512, description="width of these maps, where there are any", ge=1)
    head_init: Literal["torch", "xavier"] = Field(
        "torch", description="initial weights of linear layers outside the backbone; xavier: as published, zero biases"
    )


class UnimodalFeatures(Method):
    """Methods on h_m, one vector for each modality m.

    The encoder of a modality is the backbone's (a ResNet-18 from scratch, as published, or any other), trained.  With
    `frozen` the backbone stays as it is and its tokens are cached; LayerNorm, a linear map and a GELU on the pooled
    tokens are trained.  Encoders of unequal width, such as those of `dual`, get such a map too.

    All are trained alike: SGD with momentum 0.9 and weight decay 1e-4, as published (Zhang et al., CVPR 2024; Peng et
    al., CVPR 2022), without mixup or label smoothing.  The papers' learning rate of 1e-3 is for a hundred epochs.

    Attributes:
        frozen: whether the backbone is.
        width: D, of every h_m.
    """

    default_lr = 1e-2
    default_epochs = 30
    default_optimizer = "sgd"
    default_weight_decay = 1e-4
    clip_norm = None  # some of these methods act on the size of gradients
    rowwise_calls = ("features",)

    def __init__(self, backbone: Backbone, options: FeatureOptions) -> None:
        super().__init__(backbone)
        widths = backbone.unimodal_widths
        self.frozen, self.head_init = options.frozen, options.head_init
        if options.frozen:
            self.freeze_backbone()
            self.reading = backbone.pooled_reading
        mapped = options.frozen or len(set(widths.values())) > 1
        self.width = options.width if mapped else next(iter(widths.values()))
        self.maps = nn.ModuleDict({m: _feature_map(width, self.width) for m, width in widths.items()} if mapped else {})

    def initialise(self) -> None:
        """Draw the weights of linear layers outside the backbone by Glorot and Bengio (AISTATS 2010), if asked for."""
        if self.head_init == "torch":
            return
        inside = set(self.backbone.modules())
        for module in self.modules():
            if isinstance(module, nn.Linear) and module not in inside:
                nn.init.xavier_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def features(self, batch: Batch) -> dict[str, Tensor]:
        """Return h_m of every modality, [B, width]; rows of an absent modality have no meaning."""
        if self.reading is not None:
            tokens = self.backbone.frozen_tokens(batch, self.reading)
        else:
            tokens = self.backbone.encode(batch)
        pooled = self.backbone.pool_unimodal(tokens)
        return {m: self.maps[m](x) if m in self.maps else x for m, x in pooled.items()}

    def encoder_modules(self, modality: str) -> list[nn.Module]:
        modules = super().encoder_modules(modality)
        return [*modules, self.maps[modality]] if modality in self.maps else modules


def _feature_map(width: int, to: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, to), nn.GELU())


def linear_heads(modalities: tuple[str, ...], width: int, classes: int) -> nn.ModuleDict:
    """Build one linear classifier for each modality.

    Args:
        modalities: of the backbone.
        width: D, of every feature vector.
        classes: number of outputs.
    """
    return nn.ModuleDict({m: nn.Linear(width, classes) for m in modalities})


def zero_absent(features: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
    """Set the rows of absent modalities to zero.

    Args:
        features: modality -> [B, D].
        present: modality -> bool [B].
    """
    return {m: h.where(present[m][:, None], 0.0) for m, h in features.items()}


def mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Average the values where a mask is true; 0, without a gradient, where it is nowhere true.

    Args:
        values: [B].
        mask: bool [B].
    """
    return values.where(mask, 0.0).sum() / mask.sum().clamp(min=1)


def unimodal_losses(logits: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Compute the cross-entropy of each modality's own logits, over the samples that have it.

    Args:
        logits: modality -> [B, C].
        batch: its labels, and which modalities are present.

    Returns:
        modality -> scalar.
    """
    each = {m: cross_entropy(z.float(), batch.labels, reduction="none") for m, z in logits.items()}
    return {m: mean_where(loss, batch.present[m]) for m, loss in each.items()}
