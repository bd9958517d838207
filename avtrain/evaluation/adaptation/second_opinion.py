"""The discriminant of the training statistics beside the run, which needs nothing of the stream."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource, TestTimeAdapter
from avtrain.evaluation.adaptation.collect import predict_with_features
from avtrain.evaluation.adaptation.discriminant import Discriminant
from avtrain.methods.base import Method, Prediction


class SecondOpinion(TestTimeAdapter):
    """The scores of a linear discriminant classifier are added to the run's logits.

    Ours.  Its covariance is that of the features within classes, and its class means are those over all training
    scenarios, as they are stored with the run.  The weights of the sum are those that serve best on the validation
    split, under the training scenarios; the discriminant has at most the weight of the run.  It may be 0, and then the
    run is left as it is, bit for bit.  Nothing is learned from the stream, so this shows what of `align` is adaptation.
    """

    name: ClassVar[str] = "discriminant"
    source: ClassVar[str] = "ours"
    summary: ClassVar[str] = "adds a discriminant classifier of the training statistics; learns nothing"

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        super().__init__(method, source)
        self.statistics = source.statistics()
        self.discriminant = Discriminant.of(self.statistics.by_modality)

    @torch.no_grad()
    def adapt(self, batch: Batch) -> Prediction:
        prediction, _ = self.both(batch)
        return prediction

    def both(self, batch: Batch) -> tuple[Prediction, dict[str, Tensor]]:
        """Return the prediction by both opinions, and the features of each modality, [B, F]."""
        prediction, features = predict_with_features(self.method, batch)
        opinions = self.statistics.opinions
        if opinions.discriminant == 0:
            return prediction, features
        scores = self.discriminant.scores(features, batch.present)
        return replace(prediction, logits=opinions.add(prediction.logits, scores).to(prediction.logits)), features
