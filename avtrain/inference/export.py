"""A finished run as one file that PyTorch alone can run: an ExportedProgram, with what it needs to be used."""

import io
import json
import warnings
from collections.abc import Iterable, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from avbuild.dataset.storage import write_whole
from avbuild.errors import UserError
from avtrain.data.batch import Batch
from avtrain.frontends.base import SAMPLE_RATE
from avtrain.inference.predictor import ORACLE, LoadedRun, pick_inference
from avtrain.methods.base import Method

METADATA = "avtrain.json"  # the extra file inside


class Exportable(nn.Module):
    """A method that takes tensors and gives logits, [B, C]; inputs as `Batch` has them, by the names given."""

    def __init__(self, method: Method, names: Iterable[str]) -> None:
        super().__init__()
        self.method = method

        def forward(**inputs: Tensor) -> Tensor:
            return self._logits(inputs)

        # torch.export knows inputs by the signature, and each method has those of its own modalities
        parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        forward.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # mypy knows no such attribute
        self.forward = forward

    def _logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        modalities = self.method.backbone.modalities
        nobody = torch.zeros_like(inputs[f"{modalities[0]}_present"], dtype=torch.int64)
        batch = Batch(
            inputs={m: inputs[m] for m in modalities},
            present={m: inputs[f"{m}_present"] for m in modalities},
            labels=nobody,
            scenario=inputs.get("scenario", nobody),
            ids=(),
        )
        logits: Tensor = self.method(batch).logits
        return logits


def example_inputs(method: Method, samples: int) -> dict[str, Tensor]:
    """Inputs of the right shapes by name, all modalities there."""
    shapes = method.backbone.frontend.shapes
    inputs = {m: torch.zeros(samples, *shapes[m]) for m in method.backbone.modalities}
    inputs |= {f"{m}_present": torch.ones(samples, dtype=torch.bool) for m in method.backbone.modalities}
    if method.inference == ORACLE:
        inputs["scenario"] = torch.zeros(samples, dtype=torch.int64)
    return inputs


@torch.no_grad()
def export_program(method: Method) -> ExportedProgram:
    """The method as it predicts, for any number of samples.  Raises UserError where PyTorch cannot trace it."""
    inputs = example_inputs(method, samples=2)  # one would be taken for a constant
    batch = Dim("batch", min=1)
    try:
        with warnings.catch_warnings():  # snntorch notes its reset in each neuron; nothing outside reads it
            warnings.filterwarnings("ignore", message=".*were assigned during export", category=UserWarning)
            return torch.export.export(
                Exportable(method.eval(), inputs), (), inputs, dynamic_shapes={name: {0: batch} for name in inputs}
            )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{method.name} on this backbone cannot be exported: torch.export says {reason}\n"
            "avtrain predict and avtrain eval run it as it is"
        ) from error


def export(trained: LoadedRun, path: Path, inference: str | None = None) -> None:
    """Write the program, whole or not at all, with its description inside as `avtrain.json`.

    inference: one of the method's ways to choose prompts; None: the router where there is one.
    Raises UserError where it cannot be traced or written.
    """
    trained.method.inference = pick_inference(trained.method, inference)
    program = export_program(trained.method)
    archive = io.BytesIO()  # not the file itself: PyTorch would hide why that cannot be written
    torch.export.save(program, archive, extra_files={METADATA: json.dumps(describe(trained), indent=1)})
    write_whole(path, archive.getbuffer())


def describe(trained: LoadedRun) -> dict[str, Any]:
    """What a user of the file needs: names of classes and scenarios, shapes, the front end, where it comes from."""
    method, fit = trained.method, trained.config.fit
    frontend = method.backbone.frontend
    return {
        "run": str(trained.run),
        "manifest": trained.config.manifest.name,
        "method": fit.method,
        "backbone": fit.backbone,
        "classes": list(trained.classes),
        "modalities": list(method.backbone.modalities),
        "inference": method.inference,
        "scenarios": list(trained.scenarios) if method.inference == ORACLE else [],
        "inputs": {
            name: {"shape": ["batch", *x.shape[1:]], "type": str(x.dtype).removeprefix("torch.")}
            for name, x in example_inputs(method, samples=1).items()
        },
        "outputs": {"logits": {"shape": ["batch", len(trained.classes)], "type": "float32"}},
        "frontend": {
            "class": f"{type(frontend).__module__}.{type(frontend).__name__}",
            "sample_rate": SAMPLE_RATE,
            **vars(frontend),
        },
        "torch": str(torch.__version__),
    }
