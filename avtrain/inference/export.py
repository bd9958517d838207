"""Export of a finished run as one file that PyTorch or ONNX Runtime alone can run, with a description inside."""

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from avbuild.dataset.storage import write_whole
from avbuild.errors import UserError
from avtrain.evaluation.calibration import describe_temperature
from avtrain.frontends.base import SAMPLE_RATE
from avtrain.frontends.text import TextFrontend
from avtrain.inference.export_file import METADATA, ONNX, PROGRAM, TOKENIZER, check_target, tokenizer_beside
from avtrain.inference.exportable import Exportable, FeatureClassifier, SignalClassifier
from avtrain.inference.loaded_run import LoadedRun, pick_inference
from avtrain.inference.onnx_file import onnx_bytes, require_onnx, run_onnx


@torch.no_grad()
def export_program(module: Exportable) -> ExportedProgram:
    """Export a method as it predicts, for any batch size.

    Args:
        module: put into eval mode.

    Raises:
        UserError: PyTorch cannot trace it, or the program computes something else.
    """
    inputs = module.eval().examples(2)  # a batch size of one would be taken for a constant
    module(**inputs)  # filter banks are made once and kept, and must not be made while tracing
    try:
        with warnings.catch_warnings():  # neurons of snntorch store a value that nothing reads
            warnings.filterwarnings("ignore", message=".*were assigned during export", category=UserWarning)
            program = torch.export.export(module, (), inputs, dynamic_shapes=module.dynamic_shapes())
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{module.method.name} on this backbone cannot be exported: torch.export says {reason}\n"
            "avtrain predict and avtrain eval work without an export"
        ) from error
    _require_same(module, lambda given: program.module()(**given))
    return program


def _require_same(module: Exportable, exported: Callable[[dict[str, Tensor]], Tensor]) -> None:
    """Raise UserError where an exported model computes something else for a batch with missing modalities.

    It has to agree with the module that was traced, and, but for the rounding of pixels, with evaluation.
    """
    modalities = module.modalities
    inputs = module.examples(len(modalities) + 1)
    if len(modalities) > 1:
        for row, modality in enumerate(modalities):
            inputs[f"{modality}_present"][row] = False
    found = exported(inputs)
    for wanted, tolerance in ((module(**inputs), 1e-4), (module.reference(inputs), 2e-2)):
        if not torch.allclose(found, wanted, rtol=1e-3, atol=tolerance):
            difference = (found - wanted).abs().max().item()
            raise UserError(
                f"the exported {module.method.name} differs from the model by up to {difference:.2g} in its "
                f"{module.output}, so it was not written; please report this as a fault of avtrain"
            )


@dataclass(frozen=True)
class ExportedModel:
    """The content of an exported file.

    Attributes:
        data: its bytes.
        description: as it is inside, by `describe`.
        tokenizer: what turns a text into its input, the content of a tokenizer.json of the library tokenizers; None
            where the model reads no text.
    """

    data: bytes
    description: dict[str, Any]
    tokenizer: bytes | None = None


def export(
    loaded: LoadedRun,
    path: Path,
    inference: str | None = None,
    *,
    kind: str = PROGRAM,
    frontend: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> None:
    """Write an exported file, completely or not at all; for a model that reads text, its tokenizer beside it.

    Args:
        loaded: the run.
        path: of the file.
        inference: as for `exported`, like the following.
        kind: `pt2` or `onnx`.
        frontend: whether the front end is part of it.
        advance: called four times, for a progress bar.

    Raises:
        UsageError: the method does not have the mode.
        UserError: the method cannot be traced, the file not written, or there is a file that is no export.
    """
    check_target(path)
    beside = tokenizer_beside(path).name
    model = exported(loaded, inference, kind=kind, frontend=frontend, tokenizer=beside, advance=advance)
    if model.tokenizer is not None:
        write_whole(tokenizer_beside(path), model.tokenizer)
    write_whole(path, model.data)
    advance()


def exported(
    loaded: LoadedRun,
    inference: str | None = None,
    *,
    kind: str = PROGRAM,
    frontend: bool = True,
    tokenizer: str = TOKENIZER,
    advance: Callable[[], None] = lambda: None,
) -> ExportedModel:
    """Export a run, with its description inside as `avtrain.json`.

    Args:
        loaded: the run.
        inference: mode by which prompts are chosen; None: the router where the method has one.
        kind: `pt2` or `onnx`.
        frontend: whether the front end is part of it, so that it takes raw signals and gives probabilities.
        tokenizer: name that its tokenizer is given, where it reads text.
        advance: called three times, for a progress bar.

    Raises:
        UsageError: the method does not have the mode.
        UserError: the method cannot be traced.
    """
    if kind == ONNX:
        require_onnx()
    loaded.method.inference = pick_inference(loaded.method, inference)
    module = (SignalClassifier if frontend else FeatureClassifier)(loaded.method.eval(), loaded.temperature)
    description, own_frontend = describe(loaded, module), loaded.method.backbone.frontend
    splitter = own_frontend.tokenizer.encode() if isinstance(own_frontend, TextFrontend) else None
    if splitter is not None:
        description["tokenizer"] = tokenizer
    text = json.dumps(description, indent=1, default=str)
    advance()
    program = export_program(module)
    advance()
    if kind == ONNX:
        data = onnx_bytes(program, module.output, {METADATA: text})
        with torch.no_grad():
            _require_same(module, lambda given: run_onnx(data, given))
    else:
        archive = io.BytesIO()  # PyTorch hides the reason when it cannot write a file itself
        torch.export.save(program, archive, extra_files={METADATA: text})
        data = archive.getvalue()
    advance()
    return ExportedModel(data, description, splitter)


def describe(loaded: LoadedRun, module: Exportable) -> dict[str, Any]:
    """Return the description: names of classes and scenarios, inputs and output, the front end, the run.

    Args:
        loaded: the run.
        module: what is exported of it.
    """
    method, fit = loaded.method, loaded.config.fit
    own_frontend = method.backbone.frontend
    return {
        "run": str(loaded.run),
        "manifest": loaded.config.manifest.name,
        "method": fit.method,
        "backbone": fit.backbone,
        "classes": list(loaded.classes),
        "modalities": list(method.backbone.modalities),
        "inference": method.inference,
        "calibration": describe_temperature(loaded.temperature, method.inference),  # included in the output
        "scenarios": list(loaded.scenarios) if "scenario" in module.examples(1) else [],
        "inputs": {
            name: {"shape": module.shape(name), "type": str(x.dtype).removeprefix("torch.")}
            for name, x in module.examples(1).items()
        },
        "outputs": {module.output: {"shape": ["batch", len(loaded.classes)], "type": "float32"}},
        "frontend": {
            "included": isinstance(module, SignalClassifier),
            "class": f"{type(own_frontend).__module__}.{type(own_frontend).__name__}",
            "sample_rate": SAMPLE_RATE,
            **(asdict(own_frontend) if is_dataclass(own_frontend) else vars(own_frontend)),
        },
        "torch": str(torch.__version__),
    }
