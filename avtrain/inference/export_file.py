"""The file of an export: its format, and whether one that is there may be replaced."""

import json
import mmap
import zipfile
from pathlib import Path

from avbuild.errors import UsageError, UserError

METADATA = "avtrain.json"  # name of the description inside
PROGRAM, ONNX = "pt2", "onnx"
FORMATS = (PROGRAM, ONNX)
TOKENIZER = "model.tokenizer.json"  # beside model.pt2: what turns texts into token ids, which no program holds


def pick_format(asked: str | None, out: Path | None) -> str:
    """Return the format: the one asked for, else the one that the name of the file has, else `pt2`.

    Raises:
        UsageError: there is no such format, or the name of the file is that of the other.
    """
    named = out.suffix.removeprefix(".") if out is not None else ""
    kind = asked or (named if named in FORMATS else PROGRAM)
    if kind not in FORMATS:
        raise UsageError(f"--format {kind}: allowed are {', '.join(FORMATS)}")
    if named in FORMATS and named != kind:
        raise UsageError(f"--out {out}: a file of --format {kind} should end in .{kind}")
    return kind


def check_target(path: Path) -> None:
    """Raise UserError where a file would be lost that `export` did not write, or that of its tokenizer."""
    if path.is_dir():
        raise UserError(f"{path}: is a folder; --out names a file, such as model.pt2")
    for file, known in ((path, _is_export), (tokenizer_beside(path), _is_tokenizer)):
        if file.exists() and not known(file):
            raise UserError(f"{file}: avtrain export did not write this file; choose another --out, or delete it")


def tokenizer_beside(path: Path) -> Path:
    """Return the file of the tokenizer for an exported file."""
    return path.with_name(f"{path.stem}{TOKENIZER.removeprefix('model')}")


def _is_tokenizer(path: Path) -> bool:
    try:
        written = json.loads(path.read_bytes())
        return bool(written["model"]["type"] == "WordPiece" and written["padding"]["strategy"]["Fixed"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_export(path: Path) -> bool:
    try:
        if path.suffix == f".{ONNX}":
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return content.find(METADATA.encode()) >= 0
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(f"/{METADATA}") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):  # an empty file cannot be mapped
        return False
