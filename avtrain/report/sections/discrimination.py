"""Whether the conditions of a table can tell its methods apart at all."""

from html import escape

from avtrain.report.markup import html_table, markdown_table, number_cells
from avtrain.report.sections.base import Section
from avtrain.report.tables import LEAST_DISCRIMINATION, Table
from avtrain.report.view import ReportView

COLUMNS = ("range of means", "standard error", "discrimination")
NOTE = (
    "Range of the methods' means, in points, over the standard error of the difference of two methods (paired "
    "bootstrap over groups and seeds, pooled over all pairs). Below "
    f"{LEAST_DISCRIMINATION:g} a condition cannot tell these methods apart."
)


def html(view: ReportView) -> str:
    """Return a table for each table whose differences were tested."""
    parts = []
    for table in view.tables:
        if rows := _rows(table):
            of_other = f": scenarios of {table.other_manifest}" if table.other_manifest else ""
            cells = [f"<th scope=row>{escape(name)}</th>{number_cells(numbers)}<td>{verdict}</td>"
                     for name, numbers, verdict in rows]  # fmt: skip
            parts.append(html_table(f"Discrimination{of_other}", NOTE, ["condition"], [*COLUMNS, ""], cells))
    return "\n".join(parts)


def markdown(view: ReportView) -> str:
    """Return a table for each table whose differences were tested."""
    return "\n".join(
        markdown_table(
            f"#### {table.title}: discrimination of the conditions",
            ["condition", *COLUMNS, "verdict"],
            [[name, *numbers, verdict] for name, numbers, verdict in rows],
            NOTE,
        )
        for table in view.tables
        if (rows := _rows(table))
    )


def _rows(table: Table) -> list[tuple[str, tuple[str, ...], str]]:
    """Return condition, numbers and verdict of each column that was tested."""
    rows: list[tuple[str, tuple[str, ...], str]] = []
    for column in table.columns:
        found = table.discrimination(column)
        if found is not None:
            numbers = (
                f"{100 * table.range(column):.1f}",
                f"{100 * table.tests.standard_errors[column]:.2f}",
                f"{found:.1f}",
            )
            verdict = "cannot tell these methods apart" if found < LEAST_DISCRIMINATION else ""
            rows.append((column, numbers, verdict))
    return rows


SECTION = Section("discrimination", html, markdown)
