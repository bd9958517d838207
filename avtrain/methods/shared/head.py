"""The classifier that methods without fusion of their own share, and its loss."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction, mean_over_present


class PooledHead(nn.Module):
    """LayerNorm and one linear map a modality, on pooled tokens; logits averaged over the modalities present.

    With all present this is one linear map of the concatenated features (its slices, scaled by their number), so each
    modality has logits of its own, and an absent one is left out.  CAV-MAE's head (LayerNorm and Linear on the mean
    of all tokens) is the case of one vector, `joint`.
    """

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.slices = nn.ModuleDict(
            {
                m: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))
                for m, width in backbone.pooled_widths.items()
            }
        )
        own, pretrained = self.state_dict(), backbone.pretrained_head
        if pretrained and all(key in own and own[key].shape == value.shape for key, value in pretrained.items()):
            self.load_state_dict(pretrained)  # a head for other classes starts anew

    def forward(self, pooled: dict[str, Tensor], batch: Batch) -> Prediction:
        """pooled: modality or `joint` -> [B, F], by `Backbone.pool`."""
        logits = {name: self.slices[name](x) for name, x in pooled.items()}
        alone = {name: z for name, z in logits.items() if name in batch.present}
        return Prediction(mean_over_present(logits, batch.present), alone)


def joint_and_unimodal_loss(
    prediction: Prediction, batch: Batch, unimodal: float, targets: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of the joint logits, plus `unimodal` times that of each modality's own where it is present.

    targets: [B, C] where labels are mixed; else the batch's labels.  smoothing: of the labels, 0 to 1.

    The second part keeps the stronger modality from doing all the work: a weaker one that the joint loss no longer
    asks anything of does not learn to stand alone (Wang et al., What makes training multi-modal networks hard, CVPR
    2020, where the weights are searched for).
    """
    targets = batch.labels if targets is None else targets
    loss = cross_entropy(prediction.logits.float(), targets, label_smoothing=smoothing)
    if unimodal == 0:
        return loss
    for modality, logits in prediction.per_modality.items():
        there = batch.present[modality]
        alone = cross_entropy(logits.float(), targets, reduction="none", label_smoothing=smoothing)
        loss = loss + unimodal * alone.where(there, 0.0).sum() / there.sum().clamp(min=1)
    return loss
