"""The modification of MLA's head gradient before each step."""

from collections.abc import Mapping
from typing import Literal, cast

from torch import Tensor, nn

from avtrain.methods.base import TrainingProgress
from avtrain.methods.mla.projectors import Projector, RlsProjector, Rule

Direction = Literal["others", "current"]
Reset = Literal["never", "epoch", "batch"]
Scaling = Literal["none", "frobenius"]


class HeadGradient(nn.Module):
    """The map grad(W) <- grad(W) P^T, with P [D, D] made of mean inputs r [D] that the head W [C, D] has received.

    P is in double precision, so it stays positive semi-definite over thousands of updates and autocast does not round
    it.
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
        """Start with P = I.

        Args:
            modalities: of the backbone.
            width: D.
            rule: formula that updates P.
            direction: `others`: one P for each modality, made of the r of all others; `current`: one P, made of the r
                of every modality including the one that is trained.
            reset: when P becomes the identity again.
            scaling: of P after each update.
        """
        super().__init__()
        self.modalities, self.direction, self.reset = modalities, direction, reset
        unscaled_rls = rule == "rls" and scaling == "none"
        self.projectors = nn.ModuleList(
            RlsProjector(width) if unscaled_rls else Projector(width, rule, scaled=scaling == "frobenius")
            for _ in range(len(modalities) if direction == "others" else 1)
        )

    def start_batch(self, means: Mapping[str, Tensor], progress: TrainingProgress) -> None:
        """Reset P where it is time, and, for direction `others`, update it with the inputs of this batch.

        Args:
            means: r of each modality that the batch has, [D].
            progress: of training.
        """
        if self.reset == "batch" or (self.reset == "epoch" and progress.step == 0):
            for projector in self._projectors():
                projector.reset()
        if self.direction == "others":
            for projector, modality in zip(self._projectors(), self.modalities, strict=True):
                for other, mean in means.items():
                    if other != modality:
                        projector.update(mean, ridge(progress))

    def project(self, gradient: Tensor, modality: str, mean: Tensor, progress: TrainingProgress) -> Tensor:
        """Return grad(W) P^T.

        Args:
            gradient: of the head's weight, [C, D].
            modality: the one that is trained in this step.
            mean: its r, [D]; for direction `current` P is updated with it first.
            progress: of training.

        Returns:
            [C, D].
        """
        if self.direction == "current":
            (projector,) = self._projectors()
            projector.update(mean, ridge(progress))
        else:
            projector = self._projectors()[self.modalities.index(modality)]
        return projector.project(gradient).to(gradient.dtype)

    def _projectors(self) -> list[Projector | RlsProjector]:
        return cast("list[Projector | RlsProjector]", list(self.projectors))


def ridge(progress: TrainingProgress) -> float:
    """Return alpha = 0.1 ** (1 + step / steps), which falls from 0.1 to 0.01 over each epoch, as released."""
    return float(0.1 ** (1 + progress.step / progress.steps))
