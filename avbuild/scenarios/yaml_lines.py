"""YAML that remembers its lines, so that an error can point at what was written, and refuses what no manifest needs.

Scalars are read as YAML 1.2 reads them: `off`, `no` and `2024-02-30` are words, not false and a date.  Keys are taken
as they are written, so `off:` and `"off":` are the same name.  Refused, each with its line: duplicate keys, anchors and
aliases (which can grow to gigabytes), merge keys, tags, numbers of over 18 digits, and nesting beyond 32 levels.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

YamlPath = tuple[str | int, ...]  # ("scenarios", "A", "audio", "any_of", 1)

MOST_CHARACTERS = 1_000_000
DEEPEST = 32
WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: value for value in (True, False) for word in (str(value), str(value).lower(), str(value).upper())
}
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
REAL = re.compile(r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")


@dataclass
class Document:
    """Parsed YAML: the data, the line of every value, and what is wrong with it."""

    data: Any = None
    lines: dict[YamlPath, int] = field(default_factory=dict)
    problems: list[tuple[int, YamlPath, str]] = field(default_factory=list)  # line, path, message

    def line(self, path: YamlPath) -> int:
        """Return the line of a value, or of the nearest thing around it that was written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str, words_only: bool = False) -> Document:
    """Parse one YAML document.  Everything that is wrong with it is collected, not raised.

    Args:
        text: of the whole file.
        words_only: whether every scalar is a word, as in a file of names: `007` and `true` are then no numbers.
    """
    document = Document()
    if len(text) > MOST_CHARACTERS:
        document.problems.append((1, (), f"{len(text):,} characters, where {MOST_CHARACTERS:,} are allowed"))
        return document
    try:
        _Reader(document, words_only).read(text)
    except _TooDeep as error:
        document.problems.append((error.line, (), f"nested more than {DEEPEST} levels deep"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.problems.append((mark.line + 1 if mark else 1, (), f"not YAML: {error.problem or error}"))
    except yaml.YAMLError as error:
        document.problems.append((1, (), f"not YAML: {error}"))
    return document


def parse_scalar(text: str) -> Any:
    """Return what a plain scalar stands for: null, true, false, a number or a word.

    Raises ValueError for a number of over 18 digits.
    """
    if text in WORDS:
        return WORDS[text]
    if WHOLE.fullmatch(text):
        if len(text) > 18:
            raise ValueError(f"a number of {len(text):,} digits; at most 18 are read")
        return int(text)
    if REAL.fullmatch(text):
        if len(text) > 40:
            raise ValueError(f"a number of {len(text):,} characters; at most 40 are read")
        return float(text)
    return {".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}.get(text.lower(), text)


class _TooDeep(Exception):
    def __init__(self, line: int) -> None:
        self.line = line


def _line(event: yaml.Event) -> int:
    """Return where an event stands, from 1."""
    return 1 if event.start_mark is None else event.start_mark.line + 1


class _Reader:
    """Build values from the events of a YAML stream, without its nodes, aliases and constructors."""

    def __init__(self, document: Document, words_only: bool) -> None:
        self.document, self.words_only = document, words_only

    def read(self, text: str) -> None:
        events = iter(yaml.parse(text, yaml.SafeLoader))
        next(events)  # start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            return
        self.document.data = self._value(next(events), events, (), 0)
        next(events)  # end of the document
        if not isinstance(event := next(events), yaml.StreamEndEvent):
            self._problem(event, (), "a second document begins here; one is read")

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: YamlPath, depth: int) -> Any:
        self.document.lines.setdefault(path, _line(event))
        if isinstance(event, yaml.AliasEvent):
            return self._problem(event, path, f"an alias, *{event.anchor}: write out what it stands for")
        if anchor := getattr(event, "anchor", None):
            self._problem(event, path, f"an anchor, &{anchor}: aliases are not read, so leave it out")
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            self._problem(event, path, f"a tag, {tag}: leave it out")
        if depth > DEEPEST:
            raise _TooDeep(_line(event))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path, depth)
        assert isinstance(event, yaml.ScalarEvent)
        return self._scalar(event, path)

    def _scalar(self, event: yaml.ScalarEvent, path: YamlPath) -> Any:
        if not event.implicit[0] or self.words_only:  # quoted, or a block of text
            return event.value
        try:
            return parse_scalar(event.value)
        except ValueError as error:
            return self._problem(event, path, str(error))

    def _sequence(self, events: Iterator[yaml.Event], path: YamlPath, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            values.append(self._value(event, events, (*path, len(values)), depth + 1))
        return values

    def _mapping(self, events: Iterator[yaml.Event], path: YamlPath, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, events, path, depth)
            place = path if key is None else (*path, key)
            if key is not None and key in mapping:
                self._problem(event, place, f"duplicate key, first given in line {self.document.line(place)}")
                key = None
            elif key is not None:
                self.document.lines[place] = _line(event)
            value = self._value(next(events), events, place, depth + 1)
            if key is not None:
                mapping[key] = value
        return mapping

    def _key(self, event: yaml.Event, events: Iterator[yaml.Event], path: YamlPath, depth: int) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            self._problem(event, path, "a key must be a word")
            if not isinstance(event, yaml.AliasEvent):
                self._value(event, events, path, depth + 1)
            return None
        if event.value == "<<" and event.implicit[0]:
            self._problem(event, path, "a merge key, <<: write out what is to be merged")
            return None
        return str(event.value)

    def _problem(self, event: yaml.Event, path: YamlPath, message: str) -> None:
        self.document.problems.append((_line(event), path, message))
