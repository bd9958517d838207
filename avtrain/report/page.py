"""The page of a report: one HTML file that holds all tables and charts and loads nothing else."""

from collections.abc import Sequence
from html import escape
from importlib import resources

from avtrain.report.charts.series import LIGHT
from avtrain.report.sections import registry
from avtrain.report.view import ReportView

LEAKY = """<p class=warning><b>Leaky split.</b> Some recordings are in both the training and the test split, as in much
published work. Every method scores higher than on new recordings; compare only with results on a leaky split.</p>"""

SELECTED_ON_TEST = """<p class=warning><b>Selected on test.</b> In rows marked so, the best epoch was chosen by the test
accuracies shown here, as in much published work. They are optimistic; compare them only with rows marked alike.</p>"""


def render_page(views: Sequence[ReportView]) -> str:
    """Return the page, with all sections of one manifest after another."""
    title = f"Results: {', '.join(view.results.manifest for view in views)}"
    return whole_page(title, "\n".join(_manifest(view) for view in views))


def whole_page(title: str, body: str) -> str:
    """Return an HTML file with the style of a report.

    Args:
        title: plain text.
        body: HTML below the title.
    """
    template = resources.files("avtrain.report").joinpath("report.html").read_text(encoding="utf-8")
    light = "; ".join(f"--s{index}: {value}" for index, value in enumerate(LIGHT))
    return template.format(title=escape(title), light=light, body=body)


def _manifest(view: ReportView) -> str:
    parts = [
        f"<h2>{escape(view.results.manifest)}</h2>",
        LEAKY if view.results.leaky else "",
        SELECTED_ON_TEST if view.results.selected_on_test else "",
        *(section.html(view) for section in registry.all_sections()),
    ]
    return "\n".join(part for part in parts if part)
