"""Read manifests, reporting all problems at once with their lines, and write them so that they read back equal."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from avbuild.errors import UsageError, listed, nearest
from avbuild.places import expanded, file_system, reaching
from avbuild.scenarios.manifest import FoldSplit, Manifest, SplitSpec
from avbuild.scenarios.recorded_plugins import Recorded, recorded_in_data_set
from avbuild.scenarios.spec import Missing, ModalityPlan
from avbuild.scenarios.yaml_lines import Document, YamlPath, parse
from avbuild.text_files import decode_text

FILE_NAME = "manifest.yaml"
Problem = tuple[int, str, str]  # line, place such as scenarios.A.audio, and what is wrong with it
# steps of pydantic's locations that are not in the YAML
UNWRITTEN = {"plans", "name", "level", "[key]"}


def load_manifest(path: str | Path) -> Manifest:
    """Read a manifest; its `dataset` is returned absolute, resolved against the folder of the file.

    Args:
        path: a local file or any fsspec URL.

    Raises UsageError that lists every problem with its line.
    """
    path = expanded(path)
    manifest = parse_manifest(read_yaml(path, "manifest", "; manifests/ holds examples"), path)
    return manifest.model_copy(update={"dataset": resolve_dataset(manifest.dataset, path)})


def read_yaml(path: str, what: str, hint: str = "") -> str:
    """Return the text of a YAML file.

    Args:
        path: a local file or any fsspec URL.
        what: name of the kind of file, for the error.
        hint: end of the error where there is no such file.

    Raises UsageError where it cannot be read.
    """
    system, place = file_system(path)
    try:
        with reaching(path):
            data = bytes(system.cat_file(place))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise UsageError(f"{path}: no such {what}{hint}") from None
    return decode_text(data, path, what)


def parse_manifest(text: str, origin: str) -> Manifest:
    """Parse the text of a manifest.

    Args:
        text: YAML.
        origin: where the text is from; noise clips are found relative to its folder, and errors begin with it.

    Raises UsageError that lists every problem with its line.
    """
    manifest, problems = check_manifest(parse(text), origin)
    if problems or manifest is None:
        raise UsageError(problem_report(origin, problems))
    return manifest


def check_manifest(document: Document, origin: str) -> tuple[Manifest | None, list[Problem]]:
    """Return the manifest in a document, and everything that is wrong with it; None where it is too wrong to read.

    Args:
        document: by `yaml_lines.parse`.
        origin: as for `parse_manifest`.
    """
    problems = [(line, dotted(path), message) for line, path, message in document.problems]
    manifest = None
    if document.data is not None or not problems:
        if isinstance(document.data, dict):
            try:
                folder = None if "://" in origin else str(Path(origin).absolute().parent)
                manifest = Manifest.model_validate(
                    document.data, context={"folder": folder, "plugins": _recorded(document.data, origin)}
                )
            except ValidationError as error:
                reported = {path for _, path, _ in document.problems}
                problems += [_problem(found, document) for found in error.errors() if not _of(found, reported)]
        else:
            problems.append((1, "", "a manifest must be a mapping with the keys manifest, name, dataset, ..."))
    return manifest, problems


def dump_manifest(manifest: Manifest) -> str:
    """Return the YAML of a manifest; parsing it gives an equal manifest."""
    return yaml.safe_dump(manifest.as_yaml(), sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


def _recorded(data: dict[str, Any], origin: str) -> Callable[[], Recorded]:
    """Return the function that finds the plug-in corruptions that a manifest's data set records; it reads them once."""
    dataset = data.get("dataset")

    @functools.cache
    def find() -> Recorded:
        return (
            recorded_in_data_set(resolve_dataset(dataset, origin))
            if isinstance(dataset, str) and dataset.strip()
            else {}
        )

    return find


def resolve_dataset(dataset: str, manifest_path: str) -> str:
    """Return the data set of a manifest as an absolute path or URL.

    Args:
        dataset: as it is written, perhaps relative to the folder of the file.
        manifest_path: of the file.
    """
    dataset = expanded(dataset)
    if "://" in dataset or Path(dataset).is_absolute():
        return dataset
    if "://" in manifest_path:
        return f"{manifest_path.rsplit('/', 1)[0]}/{dataset}".removesuffix("/.")
    return str((Path(manifest_path).absolute().parent / dataset).resolve())


def _problem(found: Any, document: Document) -> tuple[int, str, str]:
    path = tuple(step for step in found["loc"] if step not in UNWRITTEN or step in _written(document, found["loc"]))
    return document.line(path), dotted(path), _message(found, path)


def _of(found: Any, reported: set[YamlPath]) -> bool:
    """Whether a validation error is about something whose YAML was refused already."""
    path = tuple(step for step in found["loc"] if step not in UNWRITTEN)
    return any(path[:length] in reported for length in range(1, len(path) + 1))


def _written(document: Document, loc: tuple[str | int, ...]) -> set[str | int]:
    """Return the steps of a location that are keys although `UNWRITTEN` has them, such as the manifest's own `name`."""
    return {loc[0]} if loc else set()


def _message(found: Any, path: tuple[str | int, ...]) -> str:
    kind, context, value = found["type"], found.get("ctx", {}), found["input"]
    if kind == "extra_forbidden":
        allowed = _allowed_keys(path)
        return f"unknown key{nearest(str(path[-1]), allowed)}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        return "required, but missing"
    if kind in ("greater_than_equal", "less_than_equal"):
        bounds = {"severity": "1 to 5", "missing_rate": "0 to 1"}
        bound = f"below {context['ge']}" if "ge" in context else f"above {context['le']}"
        return f"{value} is outside {bounds[str(path[-1])]}" if path[-1] in bounds else f"{value} is {bound}"
    if kind == "literal_error":
        return f"{value!r} is not allowed; allowed: {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    return f"{value!r}: {found['msg'][0].lower()}{found['msg'][1:]}"


def _allowed_keys(path: tuple[str | int, ...]) -> list[str]:
    if path[0] == "split":
        return list((FoldSplit if len(path) > 2 else SplitSpec).model_fields)
    if path[0] == "scenarios" and "missing" in path:
        return list(Missing.model_fields)
    model = Manifest if len(path) == 1 else ModalityPlan
    return [key for key in model.model_fields if (model, key) != (ModalityPlan, "modality")]


def dotted(path: tuple[str | int, ...]) -> str:
    """Return a path in YAML as text, such as scenarios.A.audio.any_of[1]."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def problem_report(origin: str, problems: Sequence[Problem]) -> str:
    """Return the error that lists every problem of a file with its line.  origin: the file."""
    width = max(len(str(line)) for line, _, _ in problems)
    told = ((line, f"{place}: {message}" if place else message) for line, place, message in sorted(problems))
    rows = [f"line {line:<{width}}  {what}" for line, what in told]
    return f"{origin}: {len(rows)} problem{'s' if len(rows) > 1 else ''}\n{listed(rows, most=40)}"
