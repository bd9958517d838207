"""The base of adapters that take gradient steps on some weights of the method."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.base import AdaptationSource, TestTimeAdapter
from avtrain.evaluation.adaptation.tokens import predict_through, unchanged
from avtrain.methods.base import Method, Prediction

LR = 1e-4  # of Adam


class GradientAdapter(TestTimeAdapter):
    """One step of Adam for each batch, on the weights that `select` names; all others stay as trained."""

    needs_inputs: ClassVar[bool] = True
    lr: ClassVar[float] = LR

    def __init__(self, method: Method, source: AdaptationSource) -> None:
        super().__init__(method, source)
        method.requires_grad_(False)
        self.weights = list(dict.fromkeys(self.select()))
        self.initial = [weight.detach().clone() for weight in self.weights]
        for weight in self.weights:
            weight.requires_grad_(True)
        self.optimizer = self._new_optimizer()

    @abstractmethod
    def select(self) -> Sequence[nn.Parameter]:
        """Return the weights to adapt.  Raises UsageError where the method has none of the kind."""

    @abstractmethod
    def loss(self, batch: Batch, prediction: Prediction) -> Tensor | None:
        """Return the scalar to minimise; None where this batch gives none.

        Args:
            batch: without labels that may be looked at.
            prediction: of `forward`, with gradients.
        """

    def forward(self, batch: Batch) -> Prediction:
        """Predict, with gradients where they are enabled."""
        return predict_through(self.method, batch, unchanged, gradients=torch.is_grad_enabled())

    def reset(self, stream: str) -> None:
        super().reset(stream)
        with torch.no_grad():
            for weight, initial in zip(self.weights, self.initial, strict=True):
                weight.copy_(initial)
        self.optimizer = self._new_optimizer()

    def adapt(self, batch: Batch) -> Prediction:
        with torch.enable_grad():
            prediction = self.forward(batch)
            loss = self.loss(batch, prediction)
            if loss is not None and loss.requires_grad:
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                torch.clear_autocast_cache()
        if self.predicts == "after":
            with torch.no_grad():
                prediction = self.forward(batch)
        return detached(prediction)

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.weights, lr=self.lr)


def detached(prediction: Prediction) -> Prediction:
    """Return a prediction without its graph."""
    return Prediction(
        prediction.logits.detach(),
        {m: scores.detach() for m, scores in prediction.per_modality.items()},
        None if prediction.choice is None else prediction.choice.detach(),
    )


def entropy(logits: Tensor) -> Tensor:
    """Compute the entropy of softmax(logits) in nats.  [..., C] to [...]."""
    logs = logits.float().log_softmax(dim=-1) if logits.dtype != torch.float64 else logits.log_softmax(dim=-1)
    return -(logs.exp() * logs).sum(dim=-1)


def norm_weights(module: nn.Module, kinds: tuple[type[nn.Module], ...], user: str) -> list[nn.Parameter]:
    """Return scale and shift of all norm layers.

    Args:
        module: with the layers.
        kinds: classes of norm layers.
        user: the adapter, for the error.

    Raises:
        UsageError: there is none.
    """
    layers = (layer for layer in module.modules() if isinstance(layer, kinds))
    found = [weight for layer in layers for weight in layer.parameters(recurse=False)]
    if not found:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise UsageError(f"--adapt {user}: this run has no {wanted} with weights to adapt; choose another adapter")
    return found


def weights_of(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    """Return all parameters of some modules."""
    return [weight for module in modules for weight in module.parameters()]
