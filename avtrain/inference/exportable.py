"""Modules that `torch.export` traces: a method behind its front end, or the method alone."""

from collections.abc import Iterable, Mapping
from inspect import Parameter, Signature

import torch
from torch import Tensor, nn
from torch.export import Dim

from avbuild.errors import UserError
from avbuild.modalities.registry import MODALITIES
from avtrain.data.batch import Batch
from avtrain.evaluation.calibration import Temperature
from avtrain.evaluation.evaluate import ORACLE
from avtrain.frontends.base import dtype_of
from avtrain.frontends.traceable import TraceableFrontend
from avtrain.methods.base import Method

# example sizes are none that could be taken for constants: neither 1, nor equal to one another
EXAMPLE_SAMPLES, EXAMPLE_FRAMES, EXAMPLE_HEIGHT, EXAMPLE_WIDTH = 6_007, 5, 37, 53
AXES = {"audio": ("samples",), "image": ("height", "width"), "video": ("frames", "height", "width")}


class Exportable(nn.Module):
    """A module with named tensors as inputs, whose names depend on the modalities of a method.

    A subclass defines `examples`, `dynamic_axes` and `compute`.
    """

    output: str  # name of the result, [B, C]

    def __init__(self, method: Method, temperature: Temperature | None = None) -> None:
        """Wrap a method.

        Args:
            method: in eval mode.
            temperature: that its logits are divided by; None: they stay as they are.
        """
        super().__init__()
        self.method, self.temperature = method, temperature

        def forward(**inputs: Tensor) -> Tensor:
            return self.compute(inputs)

        # torch.export takes the inputs from the signature
        parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in self.examples(1)]
        forward.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # mypy knows no such attribute
        self.forward = forward

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the modalities of the backbone."""
        return self.method.backbone.modalities

    def examples(self, samples: int) -> dict[str, Tensor]:
        """Return inputs of the right shapes and types, with all modalities present.

        Args:
            samples: B.
        """
        raise NotImplementedError

    def dynamic_axes(self, name: str) -> tuple[str, ...]:
        """Return the names of those axes of an input, behind the first, that may have any size."""
        raise NotImplementedError

    def compute(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the result, [B, C]."""
        raise NotImplementedError

    def reference(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the result as evaluation computes it, [B, C]."""
        return self.compute(inputs)

    def flags(self, samples: int) -> dict[str, Tensor]:
        """Return the inputs beside the signals: which are present, and the scenario where the mode is `oracle`."""
        flags = {f"{m}_present": torch.ones(samples, dtype=torch.bool) for m in self.modalities}
        if self.method.inference == ORACLE:
            flags["scenario"] = torch.zeros(samples, dtype=torch.int64)
        return flags

    def dynamic_shapes(self) -> dict[str, dict[int, Dim]]:
        """Return the axes that may have any size, as `torch.export` takes them; all first ones are the batch."""
        names = dict.fromkeys(axis for name in self.examples(1) for axis in self.dynamic_axes(name))
        sizes = {name: Dim(name, min=1) for name in ("batch", *names)}
        return {
            name: {place: sizes[axis] for place, axis in enumerate(("batch", *self.dynamic_axes(name)))}
            for name in self.examples(1)
        }

    def shape(self, name: str) -> list[str | int]:
        """Return the shape of an input for people: a name for each axis of any size."""
        dynamic = ("batch", *self.dynamic_axes(name))
        return [*dynamic, *self.examples(1)[name].shape[len(dynamic) :]]

    def logits(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor], scenario: Tensor | None) -> Tensor:
        """Return the logits of the method, over their temperatures.

        Args:
            features: modality -> output of the front end.
            present: modality -> bool [B].
            scenario: int64 [B], or None where the method does not use it.
        """
        zeros = torch.zeros_like(next(iter(present.values())), dtype=torch.int64)
        # as evaluation has them, the features of what is absent are zeros
        inputs = {m: x.masked_fill(~_column(present[m], x.dim()), 0) for m, x in features.items()}
        scenarios = zeros if scenario is None else scenario
        prediction = self.method(Batch(inputs, dict(present), zeros, scenarios, ids=()))
        logits: Tensor = prediction.logits
        if self.temperature is None:
            return logits
        # 64 bits, as the other ways of prediction use
        return logits.double() / self.temperature.of(prediction, present, self.method.inference)[:, None]


class FeatureClassifier(Exportable):
    """From outputs of the front end to logits."""

    output = "logits"

    def examples(self, samples: int) -> dict[str, Tensor]:
        frontend = self.method.backbone.frontend
        noise = torch.Generator().manual_seed(0)
        features = {
            m: torch.randn(samples, *frontend.shapes[m], generator=noise)
            if dtype_of(frontend, m).is_floating_point
            else example_ids(samples, frontend.shapes[m][0], noise)
            for m in self.modalities
        }
        return features | self.flags(samples)

    def dynamic_axes(self, name: str) -> tuple[str, ...]:
        return ()

    def compute(self, inputs: Mapping[str, Tensor]) -> Tensor:
        features = {m: inputs[m] for m in self.modalities}
        logits = self.logits(features, _present(self.modalities, inputs), inputs.get("scenario"))
        return logits if self.temperature is None else logits.float()


class SignalClassifier(Exportable):
    """From raw signals to probabilities.  Texts are token ids: their tokenizer is written beside the program.

    A missing modality is marked by `MODALITY_present`, and its signal is then not used; `audio_length` tells where each
    clip of a batch ends.
    """

    output = "probabilities"

    def __init__(self, method: Method, temperature: Temperature | None = None) -> None:
        """Wrap a method.

        Args:
            method: in eval mode.
            temperature: as for `Exportable`.

        Raises:
            UserError: its front end cannot be exported.
        """
        super().__init__(method, temperature)
        frontend = method.backbone.frontend
        if not isinstance(frontend, TraceableFrontend):
            raise UserError(
                f"the front end {type(frontend).__name__} cannot be exported: it has no prepare_batch; export the "
                "model alone with --without-frontend"
            )
        self.frontend = frontend

    def examples(self, samples: int) -> dict[str, Tensor]:
        noise = torch.Generator().manual_seed(0)
        inputs: dict[str, Tensor] = {}
        for modality in self.modalities:
            if modality == "audio":
                clips = torch.rand(samples, EXAMPLE_SAMPLES, generator=noise) - 0.5
                inputs |= {"audio": clips, "audio_length": torch.full((samples,), EXAMPLE_SAMPLES)}
            elif MODALITIES[modality].plain:
                inputs[modality] = example_ids(samples, self.method.backbone.frontend.shapes[modality][0], noise)
            else:
                frames = (EXAMPLE_FRAMES,) if MODALITIES[modality].framewise else ()
                shape = (samples, *frames, EXAMPLE_HEIGHT, EXAMPLE_WIDTH, 3)
                inputs[modality] = torch.randint(0, 256, shape, dtype=torch.uint8, generator=noise)
        return inputs | self.flags(samples)

    def dynamic_axes(self, name: str) -> tuple[str, ...]:
        return tuple(f"{name}_{axis}" for axis in AXES.get(name, ()))

    def compute(self, inputs: Mapping[str, Tensor]) -> Tensor:
        lengths = {m: inputs.get(f"{m}_length") for m in self.modalities}
        return self._probabilities(
            {m: self.frontend.prepare_batch(m, inputs[m], lengths[m]) for m in self.modalities}, inputs
        )

    def reference(self, inputs: Mapping[str, Tensor]) -> Tensor:
        features = {}
        for modality in self.modalities:
            if MODALITIES[modality].plain:
                features[modality] = inputs[modality]
                continue
            signals = list(inputs[modality])
            if (lengths := inputs.get(f"{modality}_length")) is not None:
                signals = [signal[:length] for signal, length in zip(signals, lengths.tolist(), strict=True)]
            frontend = self.method.backbone.frontend
            prepared = torch.stack([frontend.prepare(modality, signal) for signal in signals])
            features[modality] = frontend.finish(modality, prepared)
        return self._probabilities(features, inputs)

    def _probabilities(self, features: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        present = _present(self.modalities, inputs)
        for modality in self.modalities:
            if (length := inputs.get(f"{modality}_length")) is not None:
                present[modality] = torch.logical_and(present[modality], length > 0)
        logits = self.logits(features, present, inputs.get("scenario"))
        # 64 bits, as the other ways of prediction use
        return logits.double().softmax(dim=1).to(torch.float32)


def example_ids(samples: int, tokens: int, noise: torch.Generator) -> Tensor:
    """Return token ids of texts of unequal lengths, int64 [samples, tokens]; each ends in padding but the first."""
    ids = torch.randint(1, 5, (samples, tokens), generator=noise)  # ids that every vocabulary has
    lengths = tokens - torch.arange(samples) % tokens
    return ids.masked_fill(torch.arange(tokens)[None] >= lengths[:, None], 0)


def _present(modalities: Iterable[str], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {m: inputs[f"{m}_present"] for m in modalities}


def _column(flags: Tensor, axes: int) -> Tensor:
    """Return [B] as [B, 1, ...] with a number of axes."""
    return flags.reshape(-1, *[1] * (axes - 1))
