"""The record that every section of a report is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from avtrain.report.view import ReportView


def no_text(view: ReportView) -> str:
    """Return an empty text, for sections that are written in one of the two formats only."""
    return ""


@dataclass(frozen=True)
class Section:
    """A part of a report, written once for each manifest.

    Both functions are pure, and return an empty text where the view holds nothing to show.

    Attributes:
        name: identifier; no two sections have the same.
        html: returns the section for report.html; names of methods, scenarios, classes and the like are escaped.
        markdown: returns the section for report.md, with a newline at its end.
    """

    plugin_group: ClassVar[str] = "avtrain.report_sections"

    name: str
    html: Callable[[ReportView], str] = no_text
    markdown: Callable[[ReportView], str] = no_text
