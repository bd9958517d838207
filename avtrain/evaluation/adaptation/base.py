"""The interface of an adapter: a trained method that adapts to a stream of unlabelled batches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from numpy.random import Generator

from avbuild.scenarios.seeding import rng_for
from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.source import SourceStatistics
from avtrain.methods.base import Method, Prediction


@dataclass(frozen=True)
class AdaptationSource:
    """Everything an adapter may use beside the trained method and the stream.

    Attributes:
        seed: of the run's manifest; all random draws depend on it.
        statistics: returns the statistics of the training features.
        samples: returns a batch of some training samples, with inputs.
    """

    seed: int
    statistics: Callable[[], SourceStatistics]
    samples: Callable[[], Batch]


class TestTimeAdapter:
    """A trained method that predicts the batches of a stream in order, and may learn from them without labels.

    The folder of the run is never written to.  `reset` is called at the start of each stream.
    """

    name: ClassVar[str]
    source: ClassVar[str]  # the paper
    summary: ClassVar[str]  # what it changes, in one line
    predicts: ClassVar[Literal["before", "after"]] = "before"  # its step; of adapters without one the words are equal
    needs_inputs: ClassVar[bool] = False  # whether it changes the encoders, so that cached tokens are of no use

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        """Wrap a method.

        Args:
            method: trained; its weights may be changed in memory, and are as before after `reset`.
            source: statistics and samples of the training data.

        Raises:
            UsageError: the method has nothing that this adapter could change.
        """
        self.method, self.data = method.eval(), source
        self.stream, self.step = "", 0

    def reset(self, stream: str) -> None:
        """Forget everything learned from earlier batches.

        Args:
            stream: name of the stream that begins, on which random draws depend.
        """
        self.stream, self.step = stream, 0

    def __call__(self, batch: Batch) -> Prediction:
        """Predict the next batch of the stream, and adapt."""
        prediction = self.adapt(batch)
        self.step += 1
        return prediction

    def adapt(self, batch: Batch) -> Prediction:
        """Predict one batch, and adapt."""
        raise NotImplementedError

    def rng(self, purpose: str, modality: str = "") -> Generator:
        """Return the generator of one random draw of this step, by the law of seeds.

        Args:
            purpose: of the draw.
            modality: that it is for.
        """
        return rng_for(
            seed=self.data.seed, scenario=self.stream, sample=self.name, modality=modality, op=purpose, epoch=self.step
        )


class NoAdaptation(TestTimeAdapter):
    """The trained method as it is, to compare with on the same stream."""

    name = "none"
    source = "the run itself"
    summary = "nothing"

    @torch.no_grad()
    def adapt(self, batch: Batch) -> Prediction:
        prediction: Prediction = self.method(batch)
        return prediction
