"""Export of a finished run as one file that PyTorch alone can run, an ExportedProgram with a description inside."""

import io
import json
import warnings
import zipfile
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
from avtrain.evaluation.evaluate import ORACLE
from avtrain.frontends.base import SAMPLE_RATE
from avtrain.inference.predictor import LoadedRun, pick_inference
from avtrain.methods.base import Method

METADATA = "avtrain.json"  # name of the description inside


class Exportable(nn.Module):
    """A method that takes tensors and returns logits, [B, C]."""

    def __init__(self, method: Method, names: Iterable[str]) -> None:
        """Wrap a method.

        Args:
            method: in eval mode.
            names: of its inputs, by `example_inputs`.
        """
        super().__init__()
        self.method = method

        def forward(**inputs: Tensor) -> Tensor:
            return self._logits(inputs)

        # torch.export takes the inputs from the signature, which depends on the method's modalities
        parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        forward.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # mypy knows no such attribute
        self.forward = forward

    def _logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        modalities = self.method.backbone.modalities
        zeros = torch.zeros_like(inputs[f"{modalities[0]}_present"], dtype=torch.int64)
        batch = Batch(
            inputs={m: inputs[m] for m in modalities},
            present={m: inputs[f"{m}_present"] for m in modalities},
            labels=zeros,
            scenario=inputs.get("scenario", zeros),
            ids=(),
        )
        logits: Tensor = self.method(batch).logits
        return logits


def example_inputs(method: Method, samples: int) -> dict[str, Tensor]:
    """Return inputs of the right shapes and types, with all modalities present.

    Args:
        method: its backbone's front end gives the shapes.
        samples: B.

    Returns:
        `MODALITY` -> zeros of its input's shape, `MODALITY_present` -> true, and `scenario` where the inference mode is
        `oracle`; each has B rows.
    """
    shapes = method.backbone.frontend.shapes
    inputs = {m: torch.zeros(samples, *shapes[m]) for m in method.backbone.modalities}
    inputs |= {f"{m}_present": torch.ones(samples, dtype=torch.bool) for m in method.backbone.modalities}
    if method.inference == ORACLE:
        inputs["scenario"] = torch.zeros(samples, dtype=torch.int64)
    return inputs


@torch.no_grad()
def export_program(method: Method) -> ExportedProgram:
    """Export a method as it predicts, for any batch size.

    Args:
        method: put into eval mode.

    Raises:
        UserError: PyTorch cannot trace it.
    """
    inputs = example_inputs(method, samples=2)  # a batch size of one would be taken for a constant
    batch = Dim("batch", min=1)
    try:
        with warnings.catch_warnings():  # neurons of snntorch store a value that nothing reads
            warnings.filterwarnings("ignore", message=".*were assigned during export", category=UserWarning)
            return torch.export.export(
                Exportable(method.eval(), inputs), (), inputs, dynamic_shapes={name: {0: batch} for name in inputs}
            )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{method.name} on this backbone cannot be exported: torch.export says {reason}\n"
            "avtrain predict and avtrain eval work without an export"
        ) from error


def export(loaded: LoadedRun, path: Path, inference: str | None = None) -> None:
    """Write the program, with its description inside as `avtrain.json`, completely or not at all.

    Args:
        loaded: the run.
        path: of the file.
        inference: mode by which prompts are chosen; None: the router where the method has one.

    Raises:
        UsageError: the method does not have the mode.
        UserError: the method cannot be traced, the file not written, or there is a file that is no export.
    """
    check_target(path)
    loaded.method.inference = pick_inference(loaded.method, inference)
    program = export_program(loaded.method)
    archive = io.BytesIO()  # PyTorch hides the reason when it cannot write a file itself
    torch.export.save(program, archive, extra_files={METADATA: json.dumps(describe(loaded), indent=1)})
    write_whole(path, archive.getbuffer())


def check_target(path: Path) -> None:
    """Raise UserError where a file would be lost that `export` did not write."""
    if path.is_dir():
        raise UserError(f"{path}: is a folder; --out names a file, such as model.pt2")
    if path.exists() and not _is_export(path):
        raise UserError(f"{path}: avtrain export did not write this file; choose another --out, or delete it")


def _is_export(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(f"/{METADATA}") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def describe(loaded: LoadedRun) -> dict[str, Any]:
    """Return the description: names of classes and scenarios, shapes, the front end, the run it comes from."""
    method, fit = loaded.method, loaded.config.fit
    frontend = method.backbone.frontend
    return {
        "run": str(loaded.run),
        "manifest": loaded.config.manifest.name,
        "method": fit.method,
        "backbone": fit.backbone,
        "classes": list(loaded.classes),
        "modalities": list(method.backbone.modalities),
        "inference": method.inference,
        "scenarios": list(loaded.scenarios) if method.inference == ORACLE else [],
        "inputs": {
            name: {"shape": ["batch", *x.shape[1:]], "type": str(x.dtype).removeprefix("torch.")}
            for name, x in example_inputs(method, samples=1).items()
        },
        "outputs": {"logits": {"shape": ["batch", len(loaded.classes)], "type": "float32"}},
        "frontend": {
            "class": f"{type(frontend).__module__}.{type(frontend).__name__}",
            "sample_rate": SAMPLE_RATE,
            **vars(frontend),
        },
        "torch": str(torch.__version__),
    }
