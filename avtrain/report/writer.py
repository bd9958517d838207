"""The files of `avtrain report`: a page, the tables in four formats, and a plot."""

from collections.abc import Sequence
from pathlib import Path

from avbuild.dataset.storage import write_whole
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
    views = [build_view(results, baseline) for results in gather(find_runs([folder]))]
    write_files(folder, views)
    return views


def write_files(folder: Path, views: Sequence[ReportView]) -> None:
    """Write the files of a report into a folder."""
    for name, render in FORMATS.items():
        write_whole(folder / FILES[name], render(views))
    write_whole(folder / "report.html", render_page(views))
    write_whole(folder / "report.png", render_plot(views))
