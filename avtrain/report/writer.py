"""The files of `avtrain report`: a page, the tables in four formats, and a plot."""

from collections.abc import Callable, Sequence
from pathlib import Path

from avbuild.dataset.storage import write_whole
from avbuild.progress import progress_bar
from avtrain.report.formats import FILES, FORMATS
from avtrain.report.page import render_page
from avtrain.report.plot import render_plot
from avtrain.report.results import Results, gather, has_evaluations
from avtrain.report.validation_sweeps import ValidationSweep, find_sweeps
from avtrain.report.view import ReportView, build_view
from avtrain.runs.search import find_runs

PAGE, PLOT = "report.html", "report.png"
WRITTEN = (PAGE, *FILES.values(), PLOT)


def write_report(folder: Path, baseline: str | None = None) -> list[ReportView]:
    """Write the files of a report about all runs in a folder.

    Args:
        folder: holds run folders, at any depth; the files are written into it.
        baseline: name of the method that corruption errors are relative to; None: `linear-probe`, or the first.

    Returns the views of all manifests.

    Raises UserError where no run has been evaluated and there is no sweep, or results cannot be put side by side.
    """
    found = find_results(folder)
    with progress_bar("reporting", len(found) + len(WRITTEN)) as advance:
        views = []
        for results, sweeps in found:
            views.append(build_view(results, baseline if results.entries else None, sweeps))
            advance()
        write_files(folder, views, advance)
    return views


def find_results(folder: Path) -> list[tuple[Results, list[ValidationSweep]]]:
    """Return the results of each manifest with its sweeps; manifests that have sweeps alone come last.

    Args:
        folder: as for `write_report`.
    """
    runs = find_runs([folder])
    sweeps: dict[str, list[ValidationSweep]] = {}
    for sweep in find_sweeps(runs, folder):
        sweeps.setdefault(sweep.manifest, []).append(sweep)
    gathered = gather(runs) if has_evaluations(runs) or not sweeps else []
    evaluated = [(results, sweeps.pop(results.manifest, [])) for results in gathered]
    return [*evaluated, *((Results(manifest, {}, {}), alone) for manifest, alone in sweeps.items())]


def written_names(views: Sequence[ReportView]) -> tuple[str, ...]:
    """Return the names of the files of a report; sweeps alone have no plot."""
    return tuple(name for name in WRITTEN if name != PLOT or any(view.tables for view in views))


def write_files(folder: Path, views: Sequence[ReportView], advance: Callable[[], None] = lambda: None) -> None:
    """Write the files of a report into a folder.  advance: called after each file, for a progress bar."""
    renders: dict[str, Callable[[Sequence[ReportView]], str | bytes]] = {
        **{FILES[name]: render for name, render in FORMATS.items()},
        PAGE: render_page,
        PLOT: render_plot,
    }
    for name in written_names(views):
        write_whole(folder / name, renders[name](views))
        advance()
    if PLOT not in written_names(views):
        (folder / PLOT).unlink(missing_ok=True)  # of runs that are no longer here
