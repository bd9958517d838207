"""The classifier that methods without fusion of their own share."""

from torch import Tensor, nn

from avtrain.backbones.base import Backbone
from avtrain.batch import Batch
from avtrain.methods.base import Prediction, mean_over_present


class PooledHead(nn.Module):
    """Mean-pooled tokens, LayerNorm, one linear map a modality; logits averaged over the modalities present.

    With all present this is one linear map of the concatenated features (its slices, scaled by their number), so each
    modality has logits of its own, and an absent one is left out.  CAV-MAE's head (LayerNorm and Linear on the mean
    of all tokens) is the case of equal slices.
    """

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.slices = nn.ModuleDict(
            {m: nn.Sequential(nn.LayerNorm(backbone.width), nn.Linear(backbone.width, classes))
             for m in backbone.modalities}
        )  # fmt: skip

    def forward(self, tokens: dict[str, Tensor], batch: Batch) -> Prediction:
        """tokens: modality -> [B, N, D]."""
        logits = {m: self.slices[m](x.mean(dim=1)) for m, x in tokens.items()}
        return Prediction(mean_over_present(logits, batch.present), logits)
