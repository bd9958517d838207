"""The files of `avtrain report`: a page, the tables in four formats, and a plot."""

from collections.abc import Sequence
from pathlib import Path

from avbuild.dataset.storage import write_whole
from avtrain.report.formats import FILES, FORMATS
from avtrain.report.page import render_page
from avtrain.report.plot import render_plot
from avtrain.report.results import Results, gather, has_evaluations
from avtrain.report.validation_sweeps import find_sweeps
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
    views = read_views(folder, baseline)
    write_files(folder, views)
    return views


def read_views(folder: Path, baseline: str | None = None) -> list[ReportView]:
    """Return the views of all manifests: those with evaluated runs, then those with sweeps alone.

    Args:
        folder: as for `write_report`.
        baseline: as for `write_report`.
    """
    runs = find_runs([folder])
    sweeps = find_sweeps(runs, folder)
    evaluated = gather(runs) if has_evaluations(runs) or not sweeps else []
    views = [
        build_view(results, baseline, [sweep for sweep in sweeps if sweep.manifest == results.manifest])
        for results in evaluated
    ]
    shown = {results.manifest for results in evaluated}
    for manifest in dict.fromkeys(sweep.manifest for sweep in sweeps if sweep.manifest not in shown):
        alone = [sweep for sweep in sweeps if sweep.manifest == manifest]
        views.append(build_view(Results(manifest, {}, {}), None, alone))
    return views


def written_names(views: Sequence[ReportView]) -> tuple[str, ...]:
    """Return the names of the files of a report; sweeps alone have no plot."""
    return WRITTEN if any(view.tables for view in views) else WRITTEN[:-1]


def write_files(folder: Path, views: Sequence[ReportView]) -> None:
    """Write the files of a report into a folder."""
    for name, render in FORMATS.items():
        write_whole(folder / FILES[name], render(views))
    write_whole(folder / PAGE, render_page(views))
    if PLOT in written_names(views):
        write_whole(folder / PLOT, render_plot(views))
    else:
        (folder / PLOT).unlink(missing_ok=True)  # of earlier runs, no longer here
