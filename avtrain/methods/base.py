"""What a method is: a model that predicts from whatever modalities are there, and knows its own loss."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.distributed.row_sharing import average_gradients


@dataclass(frozen=True)
class Prediction:
    """Scores of B samples over C classes."""

    logits: Tensor  # [B, C]
    per_modality: dict[str, Tensor] = field(default_factory=dict)  # [B, C] each, where the method defines them
    choice: Tensor | None = None  # [B, sets], how much of each prompt set a router took; rows sum to 1


@dataclass(frozen=True)
class TrainingProgress:
    """Where training stands as a step begins."""

    epoch: int  # from 1
    epochs: int
    step: int  # of this epoch, from 0
    steps: int


class Method(nn.Module):
    """The base of all methods. The training loop knows these calls and no method's name."""

    name: ClassVar[str]
    source: ClassVar[str]  # paper, and what is published of it
    Config: ClassVar[type[Frozen]]
    default_lr: ClassVar[float]
    default_epochs: ClassVar[int] = 10
    default_draws: ClassVar[int] = 0  # of each corruption in training; 0: a fresh one each epoch
    default_optimizer: ClassVar[str] = "adamw"
    default_weight_decay: ClassVar[float] = 0.01
    default_average_from: ClassVar[int] = 0  # epoch from which on weights are averaged; 0: they are not
    clip_norm: ClassVar[float | None] = 1.0  # of all gradients: transformers train steadily with it
    inherits: ClassVar[tuple[str, ...]] = ()  # parts taken over from the run it starts from, beside the backbone
    # costly calls that treat each sample by itself, none inside another: several processes share out their rows
    by_rows: ClassVar[tuple[str, ...]] = ("forward",)
    inference_modes: ClassVar[tuple[str, ...]] = ()  # ways to choose prompts; evaluation scores each. oracle: is told

    # which tokens it reads of a backbone below which nothing is trained: they can be cached
    reading: Reading | None = None
    inference: str | None = None  # the one in use
    progress = TrainingProgress(epoch=1, epochs=1, step=0, steps=1)  # kept up to date by the training loop

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.gradient_norms: dict[str, list[Tensor]] = {}  # of each modality's encoder, one a backward pass
        self._trained: dict[str, list[nn.Parameter]] = {}  # of each modality's encoder

    def forward(self, batch: Batch) -> Prediction:
        """Predict; an absent modality has no influence."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """What training minimises, a scalar."""
        return cross_entropy(self(batch).logits.float(), batch.labels)

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """One update; returns the loss, detached."""
        loss = self.loss(batch)
        self.backward(loss, optimizer)
        self.update(optimizer)
        return loss.detach()

    def backward(self, loss: Tensor, optimizer: torch.optim.Optimizer, keep_graph: bool = False) -> None:
        """Gradients of this loss and no other, the same in every process.

        A weight that it does not depend on has none, not zeros: no optimizer moves it then, not even by momentum.
        keep_graph: another loss of the same forward pass follows.
        """
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, retain_graph=keep_graph)
        average_gradients(trained_by(optimizer))
        for modality in self.backbone.modalities:
            if gradients := [p.grad for p in self.encoder_parameters(modality) if p.grad is not None]:
                norm = nn.utils.get_total_norm(gradients)
                self.gradient_norms.setdefault(modality, []).append(norm)

    def update(self, optimizer: torch.optim.Optimizer) -> None:
        """A step along the gradients that are there."""
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(trained_by(optimizer), self.clip_norm)
        optimizer.step()
        torch.clear_autocast_cache()  # it holds weights in half precision as they were

    def encoder_parameters(self, modality: str) -> list[nn.Parameter]:
        """What is trained for one modality alone, below any fusion and head; settled by the first call.

        Steps ask for it again and again, and to walk through a large frozen backbone takes longer than a small step.
        """
        if modality not in self._trained:
            parts = nn.ModuleList(self.encoder_parts(modality))
            self._trained[modality] = [p for p in parts.parameters() if p.requires_grad]
        return self._trained[modality]

    def encoder_parts(self, modality: str) -> list[nn.Module]:
        """What serves one modality alone, below any fusion and head."""
        return [self.backbone.encoder(modality)]

    def training_state(self) -> dict[str, Any]:
        """What going on needs beside the weights: numbers, words, tensors, in dicts and lists."""
        return {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a `training_state`."""

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """Trainable parameters with their learning rates."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "lr": lr}]

    def inherit(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the parts `inherits` names from another run; a head for other classes starts anew."""
        own = self.state_dict()
        shared = {key: value for key, value in weights.items() if key.startswith(self.inherits) and key in own}
        self.load_state_dict({k: v for k, v in shared.items() if v.shape == own[k].shape}, strict=False)

    @classmethod
    def merged(cls, weights: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
        """A run's weights with whatever it learned inside the backbone under the backbone's own keys.

        A method that puts parts into the backbone folds them in by its config, so that any other can start from them.
        """
        return dict(weights)

    def freeze_backbone(self) -> None:
        """No gradient for the backbone's weights."""
        self.backbone.requires_grad_(False)


def trained_by(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """All weights that an optimizer moves."""
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def mean_over_present(values: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
    """The mean over the modalities that a sample has: those absent are left out, not counted as zeros.

    values: modality -> [B, C]; what is no modality, such as `joint`, is always there.  present: modality -> bool [B],
    at least one true a sample.  Returns [B, C].
    """
    stacked = torch.stack(list(values.values()))
    everyone = torch.ones_like(next(iter(present.values())))
    there = torch.stack([present.get(name, everyone) for name in values])[..., None]
    return stacked.where(there, 0.0).sum(dim=0) / there.sum(dim=0)
