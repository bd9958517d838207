"""The classification of one sample, and the probability below which no label is given."""

from dataclasses import dataclass

from avbuild.errors import UsageError


@dataclass(frozen=True)
class ClassifierOutput:
    """The classification of one sample.

    Attributes:
        probabilities: class -> probability, the most likely class first.
        present: modality -> whether the sample has it.
        inference: mode by which prompts were chosen; None for a method without inference modes.
        scenario: given to the mode `oracle`; None for other modes.
        choice: scenario -> weight of its prompt set chosen by a router; None for other modes.
        temperature: that the logits were divided by for the probabilities; 1 where they are not calibrated.
        abstain_below: probability below which no label is given; 0: there always is one.
    """

    probabilities: dict[str, float]
    present: dict[str, bool]
    inference: str | None
    scenario: str | None
    choice: dict[str, float] | None
    temperature: float = 1.0
    abstain_below: float = 0.0

    @property
    def predicted(self) -> str:
        """Return the most likely class."""
        return next(iter(self.probabilities))

    @property
    def probability(self) -> float:
        """Return the probability of the most likely class."""
        return self.probabilities[self.predicted]

    @property
    def abstained(self) -> bool:
        """Return whether the most likely class is too unlikely to be given as the label."""
        return self.probability < self.abstain_below

    @property
    def label(self) -> str:
        """Return the most likely class; empty where the model abstained."""
        return "" if self.abstained else self.predicted

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the modalities that the run was trained on and the sample does not have."""
        return tuple(modality for modality, there in self.present.items() if not there)


def check_abstain_below(value: object, name: str) -> float:
    """Return the probability below which a model abstains.

    Args:
        value: as a user gave it.
        name: of the option or argument, for the error.

    Raises:
        UsageError: it is no number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UsageError(f"{name} {value}: give a probability from 0 to 1, such as 0.8")
    return float(value)
