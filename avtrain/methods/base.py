"""The interface of a method: a model that predicts from the modalities that are present, and how it is trained."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.distributed.row_sharing import average_gradients
from avtrain.frontends.spectrogram_augmentation import SpectrogramAugmentation


@dataclass(frozen=True)
class Prediction:
    """The scores that a method gives B samples over C classes.

    Attributes:
        logits: [B, C].
        per_modality: modality -> [B, C], scores of each modality alone, where the method defines them; else empty.
        choice: [B, sets], weight of each prompt set chosen by a router; rows sum to 1.  None for other methods.
    """

    logits: Tensor
    per_modality: dict[str, Tensor] = field(default_factory=dict)
    choice: Tensor | None = None


@dataclass(frozen=True)
class TrainingProgress:
    """The position of a step in training.

    Attributes:
        epoch: from 1.
        epochs: number of epochs of the run.
        step: of this epoch, from 0.
        steps: number of steps of an epoch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int


class Method(nn.Module):
    """A backbone, what is built on it, and one training step.

    The training loop calls `parameter_groups`, `begin_training`, `training_step`, `end_epoch`, `training_state` and
    `load_training_state`, and sets `progress`.  A new method defines the class attributes, `forward`, and `loss` or
    `training_step`.  One that is fitted to all training samples at once, or partly so, defines `end_epoch` too.
    """

    plugin_group: ClassVar[str] = "avtrain.methods"

    name: ClassVar[str]
    source: ClassVar[str]  # the paper, and what of it is known
    Config: ClassVar[type[Frozen]]  # options
    default_lr: ClassVar[float]
    default_epochs: ClassVar[int] = 10
    default_draws: ClassVar[int] = 0  # different draws of each corruption in training; 0: a new one each epoch
    default_batch_size: ClassVar[int] = 32
    default_optimizer: ClassVar[str] = "adamw"
    default_weight_decay: ClassVar[float] = 0.01
    default_average_from: ClassVar[int] = 0  # first epoch of the mean of the weights; 0: no mean
    clip_norm: ClassVar[float | None] = 1.0  # upper limit of the norm of all gradients together; None: no limit
    modalities_limit: ClassVar[tuple[int, int | None]] = (1, None)  # fewest and most modalities; None: any number
    # names of the weights, by prefix, that are taken from the run of --init-from beside those of the backbone
    initial_prefixes: ClassVar[tuple[str, ...]] = ()
    # costly calls that treat each sample by itself, none inside another: ranks compute them for their own rows only
    rowwise_calls: ClassVar[tuple[str, ...]] = ("forward",)
    # ways of choosing prompts, each scored by evaluation; `oracle` is given the true scenario
    inference_modes: ClassVar[tuple[str, ...]] = ()

    reading: Reading | None = None  # tokens of a frozen backbone that the method reads, which can then be cached
    inference: str | None = None  # the inference mode in use
    swappable: bool = (
        False  # whether there are prompts for each scenario, so that others than the true one's can be used
    )
    forced_set: int | None = None  # index of the scenario whose prompts every sample gets, whatever the inference mode
    progress = TrainingProgress(epoch=1, epochs=1, step=0, steps=1)  # set by the training loop before each step

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.gradient_norms: dict[str, list[Tensor]] = {}  # by modality, of its encoder, one for each backward pass
        self._encoder_parameters: dict[str, list[nn.Parameter]] = {}  # by modality, filled by `encoder_parameters`

    @classmethod
    def takes(cls, modalities: int) -> bool:
        """Return whether the method can be built for data of so many modalities."""
        fewest, most = cls.modalities_limit
        return fewest <= modalities and (most is None or modalities <= most)

    @classmethod
    def check_modalities(cls, modalities: tuple[str, ...], config: Frozen) -> None:
        """Refuse data that the method cannot be built for; called before it is built.

        Args:
            modalities: of the data.
            config: options of the method.

        Raises:
            UsageError: there are too few or too many, or the options do not suit them.
        """
        if not cls.takes(len(modalities)):
            fewest, most = cls.modalities_limit
            allowed = f"{fewest}" if fewest == most else f"at least {fewest}" if most is None else f"{fewest} to {most}"
            raise UsageError(
                f"method {cls.name} needs {allowed} modalities, but these data have {len(modalities)}: "
                f"{', '.join(modalities)}; linear-probe, concat and late-fusion take any number"
            )

    def forward(self, batch: Batch) -> Prediction:
        """Predict; an absent modality has no influence."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """Return the scalar that the default `training_step` minimises: cross-entropy, unless overridden."""
        return cross_entropy(self(batch).logits.float(), batch.labels)

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """Update the weights once; returns the loss, detached."""
        loss = self.loss(batch)
        self.backward(loss, optimizer)
        self.update(optimizer)
        return loss.detach()

    def begin_training(self, batches: Iterable[Batch]) -> None:
        """Compute what the method needs to know of the whole training split, such as means, before the first step.

        What is computed belongs into buffers, which are saved with the run; a resumed training does not compute it
        again.  The method is in eval mode, and every rank gets all rows.

        Args:
            batches: the training split as the first epoch sees it, in the order of the data; loaded when iterated over.
        """

    def end_epoch(self, batches: Iterable[Batch]) -> None:
        """Fit what is fitted to the whole training split at once, after the steps of an epoch and before its scores.

        Args:
            batches: the training split as this epoch saw it, otherwise as in `begin_training`.
        """

    def fitted_values(self) -> list[Tensor]:
        """Return the buffers that these two compute; they count as trained, and all ranks get those of rank 0."""
        return []

    def backward(self, loss: Tensor, optimizer: torch.optim.Optimizer, keep_graph: bool = False) -> None:
        """Compute the gradients of one loss, the same on every rank, and record those norms that training logs.

        A weight that the loss does not depend on gets no gradient rather than zeros, so no optimizer moves it, not even
        by momentum or weight decay.

        Args:
            loss: scalar.
            optimizer: its gradients are cleared first.
            keep_graph: whether another loss of the same forward pass follows.
        """
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, retain_graph=keep_graph)
        average_gradients(parameters_of(optimizer))
        for modality in self.backbone.modalities:
            if gradients := [p.grad for p in self.encoder_parameters(modality) if p.grad is not None]:
                norm = nn.utils.get_total_norm(gradients)
                self.gradient_norms.setdefault(modality, []).append(norm)

    def update(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients and take one step of the optimizer."""
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters_of(optimizer), self.clip_norm)
        optimizer.step()
        torch.clear_autocast_cache()  # it holds half-precision copies of the weights before the step

    def encoder_parameters(self, modality: str) -> list[nn.Parameter]:
        """Return the trainable parameters of one modality alone, below any fusion and head.

        The list is made by the first call, since walking through a large frozen backbone takes longer than a small
        training step.
        """
        if modality not in self._encoder_parameters:
            modules = nn.ModuleList(self.encoder_modules(modality))
            self._encoder_parameters[modality] = [p for p in modules.parameters() if p.requires_grad]
        return self._encoder_parameters[modality]

    def encoder_modules(self, modality: str) -> list[nn.Module]:
        """Return the modules that serve one modality alone, below any fusion and head."""
        return [self.backbone.encoder(modality)]

    def spectrogram_augmentation(self, seed: int) -> SpectrogramAugmentation | None:
        """Return how the front end's audio is augmented in training; most methods do not.  seed: of the run."""
        return None

    def training_state(self) -> dict[str, Any]:
        """Return what a resumed training needs beside the weights: numbers, strings and tensors in dicts and lists."""
        return {}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a `training_state`."""

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """Return the trainable parameters in groups with their learning rates.

        Args:
            lr: learning rate of the run.
        """
        return [{"params": [p for p in self.parameters() if p.requires_grad], "lr": lr}]

    def initialise(self) -> None:
        """Set initial weights as the method's options say; called once, before training."""

    def load_run_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load the weights of a finished run of this method, of any version of avtrain.

        Args:
            weights: all of them, by `Run.weights`.
        """
        self.load_state_dict(dict(weights))

    def load_initial_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights that `initial_prefixes` names; those of another shape, such as a head's, start anew.

        Args:
            weights: of the run of --init-from, all of them.
        """
        current = self.state_dict()
        chosen = {key: value for key, value in weights.items() if key.startswith(self.initial_prefixes)}
        fitting = {k: v for k, v in chosen.items() if k in current and v.shape == current[k].shape}
        self.load_state_dict(fitting, strict=False)

    @classmethod
    def merged(cls, weights: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
        """Return a run's weights with everything learned inside the backbone under the backbone's own keys.

        A method that adds modules to the backbone's layers merges them here, so that any method can start from its run.

        Args:
            weights: of the run.
            config: the options of its method, a `Config`.
        """
        return dict(weights)

    def freeze_backbone(self) -> None:
        """Exclude the backbone from training."""
        self.backbone.requires_grad_(False)


def parameters_of(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return all parameters of an optimizer."""
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def mean_over_present(values: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
    """Average over the modalities that a sample has; absent ones are left out, not counted as zeros.

    Args:
        values: modality -> [B, C].  A name that is no modality, such as `joint`, counts as present in every sample.
        present: modality -> bool [B], at least one true for each sample.

    Returns:
        [B, C].
    """
    stacked = torch.stack(list(values.values()))
    always = torch.ones_like(next(iter(present.values())))
    mask = torch.stack([present.get(name, always) for name in values])[..., None]
    return stacked.where(mask, 0.0).sum(dim=0) / mask.sum(dim=0)
