"""Sweeps of options, as `avtrain sweep` ranked them on the validation split; no test score is read."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError
from avtrain.report.terminal import without_controls
from avtrain.runs.folder import Run
from avtrain.runs.layout import siblings_folder
from avtrain.training.sweep import TABLE

AFTER_OPTIONS = ["validation_mean", "validation_std", "n", "folder", "problem"]  # columns of sweep.csv


@dataclass(frozen=True)
class RankedPoint:
    """One combination of options.

    Attributes:
        values: of the options that were varied.
        accuracy: validation accuracy in %, mean ± std over seeds; or why there is none.
        seeds: number of them.
    """

    values: tuple[str, ...]
    accuracy: str
    seeds: str


@dataclass(frozen=True)
class ValidationSweep:
    """The combinations of one sweep, best first.

    Attributes:
        name: of its folder.
        manifest: name of the manifest.
        method: name of the method.
        backbone: name of the backbone.
        options: that were varied, as in --set.
        points: the combinations.
    """

    name: str
    manifest: str
    method: str
    backbone: str
    options: tuple[str, ...]
    points: tuple[RankedPoint, ...]

    @property
    def title(self) -> str:
        """Return what was swept, and in which folder."""
        return f"Sweep of {', '.join(self.options)} for {self.method} ({self.backbone}): {self.name}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return ("rank", *self.options, "validation accuracy", "n")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of each combination."""
        return [(str(rank), *p.values, p.accuracy, p.seeds) for rank, p in enumerate(self.points, 1)]


def find_sweeps(runs: Sequence[Run], folder: Path) -> list[ValidationSweep]:
    """Return the finished sweeps that some runs belong to, in order of their folders.

    Args:
        runs: found below the folder.
        folder: that is reported on; a sweep that this is only a part of is left out.

    Raises:
        UserError: the table of a sweep is damaged.
    """
    by_place: dict[Path, list[Run]] = defaultdict(list)
    for run in runs:
        by_place[siblings_folder(run.folder).parent].append(run)
    inside = [place for place in sorted(by_place) if place.is_relative_to(folder.absolute())]
    return [_read(place / TABLE, by_place[place][0]) for place in inside if (place / TABLE).is_file()]


def _read(path: Path, run: Run) -> ValidationSweep:
    """Return the sweep of a table.  run: any of its runs."""
    config = run.config()
    try:
        header, *lines = csv.reader(path.read_text(encoding="utf-8").splitlines())
        options = header[1 : -len(AFTER_OPTIONS)]
        if header != ["rank", *options, *AFTER_OPTIONS] or not options or not lines:
            raise ValueError("other columns than avtrain sweep writes")
        points = tuple(_point(dict(zip(header, line, strict=True)), options) for line in lines)
    except (ValueError, csv.Error) as error:
        raise UserError(
            without_controls(f"{path}: not the table of a sweep ({error}); the same avtrain sweep again writes it anew")
        ) from error
    fit = config.fit
    return ValidationSweep(path.parent.name, config.manifest.name, fit.method, fit.backbone, tuple(options), points)


def _point(line: dict[str, str], options: Sequence[str]) -> RankedPoint:
    accuracy = line["problem"]
    if not accuracy:
        spread = f" ± {100 * float(line['validation_std']):.1f}" if line["validation_std"] else ""
        accuracy = f"{100 * float(line['validation_mean']):.1f}{spread}"
    return RankedPoint(tuple(line[option] for option in options), accuracy, line["n"])
