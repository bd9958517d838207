"""The files of `avtrain report`: a page, Markdown, CSV and a plot."""

from collections.abc import Sequence
from pathlib import Path

from avbuild.dataset.storage import write_whole
from avtrain.report.csv_table import render_csv
from avtrain.report.page import render_page
from avtrain.report.plot import render_plot
from avtrain.report.results import gather
from avtrain.report.sections import registry
from avtrain.report.tables import Table
from avtrain.report.view import ReportView, build_view
from avtrain.runs.search import find_runs


def write_report(folder: Path) -> list[Table]:
    """Write report.html, report.md, report.csv and report.png about all runs in a folder.

    Args:
        folder: holds run folders, at any depth; the files are written into it.

    Returns the tables of accuracies of all manifests.

    Raises UserError where no run has been evaluated, or results cannot be put side by side.
    """
    views = [build_view(results) for results in gather(find_runs([folder]))]
    tables = [table for view in views for table in view.tables]
    write_whole(folder / "report.md", render_markdown(views))
    write_whole(folder / "report.csv", render_csv(views))
    write_whole(folder / "report.html", render_page(views))
    write_whole(folder / "report.png", render_plot(tables))
    return tables


def render_markdown(views: Sequence[ReportView]) -> str:
    """Return the Markdown of all sections, one manifest after another."""
    return "\n".join(_manifest(view) for view in views)


def _manifest(view: ReportView) -> str:
    parts = [section.markdown(view) for section in registry.all_sections()]
    return "\n".join(part for part in parts if part)
