"""What MLA does to the gradient of its shared head before each step."""

from collections.abc import Mapping
from typing import Literal, cast

from torch import Tensor, nn

from avtrain.methods.base import TrainingProgress
from avtrain.methods.mla.projectors import Projector, RlsProjector, Rule

Direction = Literal["others", "current"]
Reset = Literal["never", "epoch", "batch"]
Scaling = Literal["none", "frobenius"]


class HeadGradient(nn.Module):
    """grad(W) <- grad(W) P^T, with a P [D, D] made of mean inputs r [D] that the head has had.

    direction: `others`, a P a modality, of the r of all others; `current`, one P, of that of the modality in turn too.
    reset: before each of these P is the identity again.  scaling: of P behind each update.
    P is double precision: it stays semi-definite over thousands of updates, and autocast does not round it.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        rule: Rule = "rls",
        direction: Direction = "others",
        reset: Reset = "epoch",
        scaling: Scaling = "none",
    ) -> None:
        super().__init__()
        self.modalities, self.direction, self.reset = modalities, direction, reset
        plain = rule == "rls" and scaling == "none"
        self.projectors = nn.ModuleList(
            RlsProjector(width) if plain else Projector(width, rule, scaled=scaling == "frobenius")
            for _ in range(len(modalities) if direction == "others" else 1)
        )

    def start_batch(self, means: Mapping[str, Tensor], progress: TrainingProgress) -> None:
        """Forget what is to be forgotten, and see what this batch brings.

        means: r of each modality that the batch has, [D].
        """
        if self.reset == "batch" or (self.reset == "epoch" and progress.step == 0):
            for projector in self._all():
                projector.reset()
        if self.direction == "others":
            for projector, modality in zip(self._all(), self.modalities, strict=True):
                for other, mean in means.items():
                    if other != modality:
                        projector.update(mean, ridge(progress))

    def project(self, gradient: Tensor, modality: str, mean: Tensor, progress: TrainingProgress) -> Tensor:
        """The gradient of the head's weight, [C, D], as it is used in a modality's step.  mean: its r, [D]."""
        if self.direction == "current":
            (projector,) = self._all()
            projector.update(mean, ridge(progress))
        else:
            projector = self._all()[self.modalities.index(modality)]
        return projector.project(gradient).to(gradient.dtype)

    def _all(self) -> list[Projector | RlsProjector]:
        return cast("list[Projector | RlsProjector]", list(self.projectors))


def ridge(progress: TrainingProgress) -> float:
    """alpha = 0.1 ** (1 + step / steps): from 0.1 to 0.01 over each epoch, as released."""
    return float(0.1 ** (1 + progress.step / progress.steps))
