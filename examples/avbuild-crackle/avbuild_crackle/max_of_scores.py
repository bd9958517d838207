"""The method `max-of-scores`."""

import torch

from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.late_fusion import LateFusion


class MaxOfScores(LateFusion):
    """Predict with the higher score of each class over the modalities present, [B, C]; trained as `late-fusion`.

    Kittler et al.: On combining classifiers, TPAMI 20(3), 1998: the max rule.
    """

    name = "max-of-scores"
    source = "Kittler et al., TPAMI 1998"

    def forward(self, batch: Batch) -> Prediction:
        own = super().forward(batch).per_modality
        lowest = torch.finfo(next(iter(own.values())).dtype).min
        present = [scores.where(batch.present[m][:, None], lowest) for m, scores in own.items()]
        return Prediction(torch.stack(present).amax(dim=0), own)
