"""The classifier of methods that do not fuse modalities themselves, and its loss."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction, mean_over_present


class PooledHead(nn.Module):
    """LayerNorm and a linear classifier for each modality's pooled tokens; logits are averaged over those present.

    With all modalities present this is one linear classifier on the concatenated features, each modality's part of it
    scaled by their number, so every modality has logits of its own and an absent one is left out.  CAV-MAE's head
    (LayerNorm and Linear on the mean of all tokens) is the case of a single vector, `joint`.
    """

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.slices = nn.ModuleDict(
            {
                m: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))
                for m, width in backbone.pooled_widths.items()
            }
        )
        initial, pretrained = self.state_dict(), backbone.pretrained_head
        if pretrained and all(k in initial and initial[k].shape == value.shape for k, value in pretrained.items()):
            self.load_state_dict(pretrained)  # a pretrained head for another number of classes is not used

    def forward(self, pooled: dict[str, Tensor], batch: Batch) -> Prediction:
        """Classify pooled tokens.

        Args:
            pooled: modality or `joint` -> [B, F], by `Backbone.pool`.
            batch: says which modalities are present.
        """
        logits = {name: self.slices[name](x) for name, x in pooled.items()}
        unimodal = {name: z for name, z in logits.items() if name in batch.present}
        return Prediction(mean_over_present(logits, batch.present), unimodal)


def joint_and_unimodal_loss(
    prediction: Prediction, batch: Batch, unimodal: float, targets: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Compute the cross-entropy of the joint logits, plus that of each modality's own logits where it is present.

    The second part keeps a stronger modality from leaving the weaker one untrained once the joint loss is small (Wang
    et al.: What makes training multi-modal networks hard, CVPR 2020, where the weights are searched for).

    Args:
        prediction: of the batch.
        batch: its labels are used where no targets are given.
        unimodal: weight of the modalities' own losses, from 0.
        targets: [B, C], where labels are blended.
        smoothing: label smoothing, 0 to 1.

    Returns:
        A scalar.
    """
    targets = batch.labels if targets is None else targets
    loss = cross_entropy(prediction.logits.float(), targets, label_smoothing=smoothing)
    if unimodal == 0:
        return loss
    for modality, logits in prediction.per_modality.items():
        present = batch.present[modality]
        own = cross_entropy(logits.float(), targets, reduction="none", label_smoothing=smoothing)
        loss = loss + unimodal * own.where(present, 0.0).sum() / present.sum().clamp(min=1)
    return loss
