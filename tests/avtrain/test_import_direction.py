"""Modules of avtrain import from lower layers only, also inside functions and for type checking."""

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

LAYERS = (  # low to high
    "config", "frontends", "data", "distributed", "device", "backbones", "runs", "methods", "features", "evaluation",
    "training", "pretraining", "inference", "report", "reproduction", "commands", "cli",
)  # fmt: skip
FILES = sorted(path.relative_to(REPOSITORY) for path in (REPOSITORY / "avtrain").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere."""
    nodes = list(ast.walk(ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def layer(path: Path) -> str:
    return path.parts[1].removesuffix(".py")


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer(path) for path in FILES} - {"__init__", "__main__"} == set(LAYERS)


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) in LAYERS], ids=str)
def test_imports_come_from_the_same_layer_or_below(path: Path) -> None:
    used = {name.split(".")[1] for name in imported(path) if name.startswith("avtrain.")}
    allowed = LAYERS[: LAYERS.index(layer(path)) + 1]
    assert sorted(used - set(allowed)) == []


@pytest.mark.parametrize("path", sorted((REPOSITORY / "avbuild").rglob("*.py")), ids=lambda path: path.stem)
def test_avbuild_never_imports_avtrain(path: Path) -> None:
    assert not [name for name in imported(path) if name.split(".")[0] == "avtrain"]
