"""Parse YAML with the line of every value, and refuse duplicate keys, so that errors can name a line."""

from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]  # ("scenarios", "A", "audio", "any_of", 1)


@dataclass
class Document:
    """Parsed YAML: the data, the line of every value, and the problems found in it."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, Path, str]] = field(default_factory=list)  # line, path, message

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the innermost value around it that was written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str) -> Document:
    """Parse one YAML document; syntax errors and duplicate keys are collected in `problems`, not raised."""
    document = Document()
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        document.data = None if node is None else _build(loader, node, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.problems.append((mark.line + 1 if mark else 1, (), f"not YAML: {error.problem or error}"))
    except yaml.YAMLError as error:
        document.problems.append((1, (), f"not YAML: {error}"))
    return document


def _build(loader: yaml.SafeLoader, node: yaml.Node, path: Path, document: Document) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, child, (*path, index), document) for index, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node, deep=True)
    mapping: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key, line = loader.construct_object(key_node, deep=True), key_node.start_mark.line + 1
        if not isinstance(key, str | int | float | bool):
            document.problems.append((line, path, f"a key must be a word, not {key!r}"))
            continue
        place = (*path, str(key))
        if str(key) in mapping:
            first = document.line(place)
            document.problems.append((line, place, f"duplicate key, first given in line {first}"))
            continue
        document.lines[place] = line
        mapping[str(key)] = _build(loader, value_node, place, document)
    return mapping
