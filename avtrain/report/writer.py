"""The files of `avtrain report`: a page, the tables in four formats, and a plot."""

from collections.abc import Callable, Sequence
from pathlib import Path

from avbuild.dataset.storage import write_whole
from avbuild.progress import progress_bar
from avtrain.report.formats import FILES, FORMATS
from avtrain.report.page import render_page
from avtrain.report.plot import render_plot
from avtrain.report.results import gather
from avtrain.report.view import ReportView, build_view
from avtrain.runs.search import find_runs

WRITTEN = ("report.html", *FILES.values(), "report.png")


def write_report(folder: Path, baseline: str | None = None) -> list[ReportView]:
    """Write the files of a report about all runs in a folder.

    Args:
        folder: holds run folders, at any depth; the files are written into it.
        baseline: name of the method that corruption errors are relative to; None: `linear-probe`, or the first.

    Returns the views of all manifests.

    Raises UserError where no run has been evaluated, or results cannot be put side by side.
    """
    gathered = gather(find_runs([folder]))
    with progress_bar("reporting", len(gathered) + len(WRITTEN)) as advance:
        views = []
        for results in gathered:
            views.append(build_view(results, baseline))
            advance()
        write_files(folder, views, advance)
    return views


def write_files(folder: Path, views: Sequence[ReportView], advance: Callable[[], None] = lambda: None) -> None:
    """Write the files of a report into a folder.  advance: called after each file, for a progress bar."""
    renders: dict[str, Callable[[Sequence[ReportView]], str | bytes]] = {
        **{FILES[name]: render for name, render in FORMATS.items()},
        "report.html": render_page,
        "report.png": render_plot,
    }
    for name, render in renders.items():
        write_whole(folder / name, render(views))
        advance()
