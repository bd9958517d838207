"""Training in two stages inside one run: first a teacher on complete samples, then a student of that teacher."""

import math
import sys
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.data.batch import Batch
from avtrain.distributed.row_sharing import is_rank0
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.shared.drawn_absence import all_present


class TeacherOptions(Frozen):
    """Options of all these methods."""

    teacher_share: float = Field(
        0.25, description="first part of the training, in which the teacher is trained", gt=0, lt=1
    )


class TaughtMethod(Method):
    """Methods with a teacher, which is trained first, and a student, which predicts.

    The teacher learns from the samples that have all modalities.  Cells that the training data lack are truly absent:
    no teacher ever sees them.  Until training has met its first complete sample the teacher learns from the samples as
    they are; where there is none at all, as where every sample has one modality, training says so.

    In the second stage the backbone is fixed like the teacher, of which it is a part.  The scores of the first stage
    are those of a student that has not been trained yet.

    Attributes:
        teacher: everything but the backbone that the second stage does not train.
        teacher_share: part of all steps that belongs to the first stage, rounded up to whole steps.
        saw_complete: whether training has met a complete sample.
    """

    teacher: nn.ModuleDict
    teacher_share: float
    saw_complete = False

    def teacher_loss(self, batch: Batch, rows: Tensor) -> Tensor:
        """Return the loss of the first stage.

        Args:
            batch: of any samples.
            rows: bool [B], the samples that the teacher may learn from; possibly none.
        """
        raise NotImplementedError

    def student_loss(self, batch: Batch) -> Tensor:
        """Return the loss of the second stage, which does not depend on weights of the teacher or the backbone."""
        raise NotImplementedError

    def start_student(self) -> None:
        """Give the student what it takes over from the teacher."""
        raise NotImplementedError

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        step = student_step(self.progress, self.teacher_share)
        if step == 0:
            self.start_student()
            if not self.saw_complete and is_rank0():
                print(
                    f"method {self.name}: no training sample has all modalities; its teacher learned from others",
                    file=sys.stderr,
                )
        if step >= 0:
            self.teacher.eval()
            self.backbone.eval()
        return super().training_step(batch, optimizer)

    def loss(self, batch: Batch) -> Tensor:
        if student_step(self.progress, self.teacher_share) >= 0:
            return self.student_loss(batch)
        complete = all_present(batch.present)
        self.saw_complete = self.saw_complete or bool(complete.any())
        return self.teacher_loss(batch, complete if self.saw_complete else torch.ones_like(complete))

    def training_state(self) -> dict[str, Any]:
        return {"saw_complete": self.saw_complete}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        self.saw_complete = state["saw_complete"]


def student_step(progress: TrainingProgress, share: float) -> int:
    """Return how many steps the student has had before this one; negative while the teacher is trained.

    Args:
        progress: of the training.
        share: part of all steps that the teacher gets, above 0 and below 1; rounded up to whole steps.

    Raises:
        UsageError: no step is left for the student.
    """
    steps = progress.epochs * progress.steps
    teaching = math.ceil(share * steps)
    if teaching >= steps:
        raise UsageError(
            f"method.teacher_share={share:g} gives the teacher all {steps} steps of the training and the student "
            "none: train for more epochs, in smaller batches, or lower it"
        )
    return (progress.epoch - 1) * progress.steps + progress.step - teaching
