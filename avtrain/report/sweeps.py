"""Sweeps: scenarios that differ in one number only, such as the signal-to-noise ratio, as curves over that number."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avbuild.corruptions import MISSING
from avtrain.report.results import Cell, Entry, Evaluation, Results
from avtrain.report.tables import Table

FEWEST = 3  # scenarios of a sweep
NAMES = {
    "snr_db": "signal-to-noise ratio (dB)",
    "db": "gain (dB)",
    "cutoff": "cutoff (Hz)",
    "missing_rate": "missing rate",
}
Path = tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """Accuracies over one parameter of otherwise equal scenarios.

    Attributes:
        parameter: name and unit, such as `gaussian_noise: signal-to-noise ratio (dB)`.
        other_manifest: name of the manifest that the scenarios come from; None if it is the one trained on.
        scenarios: value of the parameter -> scenario.
        rows: cells by entry and value.
    """

    parameter: str
    other_manifest: str | None
    scenarios: Mapping[float, str]
    rows: Mapping[Entry, Mapping[float, Cell]]

    @property
    def title(self) -> str:
        """Return the modalities' parameter and the scenarios at both ends."""
        ordered = [self.scenarios[value] for value in sorted(self.scenarios)]
        return f"{ordered[0]} to {ordered[-1]}"


def sweeps(results: Results, table: Table) -> list[Sweep]:
    """Return the sweeps among the scenarios of a table; evaluations of earlier versions do not say their scenario."""
    specs = {
        e["scenario"]: e["spec"]
        for e in results.evaluations
        if e["listed"]
        and e["other_manifest"] == table.other_manifest
        and "spec" in e
        and e["scenario"] in table.scenarios
    }
    found = []
    for parameter, by_value in _families(specs):
        rows = {
            entry: {value: row[name] for value, name in by_value.items() if name in row}
            for entry, row in table.rows.items()
        }
        rows = {entry: row for entry, row in rows.items() if len(row) > 1}
        if rows:
            found.append(Sweep(parameter, table.other_manifest, by_value, rows))
    return found


def _families(specs: Mapping[str, Evaluation]) -> Iterator[tuple[str, dict[float, str]]]:
    """Yield parameter and scenario by value, for each family of scenarios that differ in one parameter."""
    families: dict[tuple[Path, ...], dict[tuple[Any, ...], dict[float, str]]] = defaultdict(lambda: defaultdict(dict))
    for name, spec in specs.items():
        leaves = dict(_leaves(spec))
        for key in sorted({_key(path) for path, value in leaves.items() if _is_number(value) and path[0] != "seed"}):
            varied = tuple(sorted(path for path in leaves if _key(path) == key))
            values = {leaves[path] for path in varied}
            if len(values) == 1:  # one in the audio and another in the image are two parameters
                fixed = tuple(sorted((path, repr(value)) for path, value in leaves.items() if path not in varied))
                families[varied][fixed].setdefault(float(values.pop()), name)
    for varied, by_rest in families.items():
        for by_value in by_rest.values():
            if len(by_value) >= FEWEST:
                yield _parameter(varied), by_value


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value of a scenario as a manifest writes it, with its keys and places."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(place)))
    elif value == MISSING:
        yield (*path, "missing_rate"), 1.0
    else:
        yield path, value


def _key(path: Path) -> str:
    return path[-1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parameter(varied: Sequence[Path]) -> str:
    """Return the name of a parameter with its unit, and the op or the modalities that it belongs to."""
    key = varied[0][-1]
    owners = dict.fromkeys(path[-2] for path in varied if len(path) > 2 and not path[-2].isdigit())
    owners = owners or dict.fromkeys(path[0] for path in varied)
    if len(varied[0]) > 2 and varied[0][-2].isdigit():  # {gaussian_noise: 4} is a severity
        return f"{key}: severity"
    return f"{', '.join(owners)}: {NAMES.get(key, key.replace('_', ' '))}"
