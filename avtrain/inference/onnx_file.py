"""An exported program as an ONNX model, checked by ONNX Runtime."""

import logging
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram

from avbuild.errors import UserError

NEEDED = "--format onnx needs onnx, onnxscript and onnxruntime: pip install 'avbuild[onnx]'"


def require_onnx() -> None:
    """Raise UserError where a package that writes or runs ONNX is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; {NEEDED}") from error


def onnx_bytes(program: ExportedProgram, output: str, metadata: Mapping[str, str]) -> bytes:
    """Convert a program to the bytes of an ONNX model.

    Args:
        program: its inputs keep their names.
        output: name of the result.
        metadata: texts to put into the model, by name.

    Raises:
        UserError: a package is not installed, or an operation has no ONNX counterpart.
    """
    require_onnx()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports every operator set that it tries
    try:
        converted = torch.onnx.export(program, dynamo=True, verbose=False, external_data=False, output_names=[output])
    except torch.onnx.OnnxExporterError as error:
        raise UserError(
            f"an operation of this model has no ONNX counterpart: {_first_line(error)}\n"
            "leave --format out: a PyTorch program (.pt2) has no such limit"
        ) from error
    assert converted is not None
    converted.model.metadata_props.update(metadata)
    data: bytes = converted.model_proto.SerializeToString()
    return data


def run_onnx(data: bytes, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the first output of an ONNX model, computed on the CPU.

    Args:
        data: bytes of the model.
        inputs: by name; those that the model does not use are left out.

    Raises:
        UserError: ONNX Runtime refuses the model.
    """
    require_onnx()
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        used = {each.name for each in session.get_inputs()}
        outputs = session.run(None, {name: x.numpy() for name, x in inputs.items() if name in used})
    except Exception as error:  # its errors share no class of their own
        raise UserError(
            f"ONNX Runtime cannot run this model: {_first_line(error)}\n"
            "leave --format out: a PyTorch program (.pt2) has no such limit"
        ) from error
    return torch.from_numpy(np.asarray(outputs[0]))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
