"""Pieces of HTML and Markdown that several sections use."""

from collections.abc import Iterable, Sequence
from html import escape

from avtrain.report.charts.series import SeriesStyle, swatch
from avtrain.report.terminal import without_controls


def html_table(
    title: str,
    note: str,
    text_columns: Sequence[str],
    number_columns: Sequence[str],
    rows: Iterable[str],
) -> str:
    """Return a table under a heading.

    Args:
        title: heading; plain text.
        note: HTML below the heading.
        text_columns: names of the columns aligned left; plain text.
        number_columns: names of the columns after them, aligned right; plain text.
        rows: cells of each row, as HTML.
    """
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in text_columns)
    head += "".join(f"<th scope=col class=number>{escape(name)}</th>" for name in number_columns)
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    return (
        f"<h3>{escape(title)}</h3><p class=note>{note}</p><div class=scroll><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def number_cells(cells: Iterable[object]) -> str:
    """Return cells aligned right, whose texts are HTML."""
    return "".join(f"<td class=number>{cell}</td>" for cell in cells)


def chart_group(title: str, note: str, legend: str, charts: Iterable[str]) -> str:
    """Return charts side by side under a heading.

    Args:
        title: heading; plain text.
        note: what the charts show; plain text.
        legend: HTML; may be empty.
        charts: HTML figures.
    """
    return f"<h3>{escape(title)}</h3><p class=note>{escape(note)}</p>{legend}<div class=charts>{''.join(charts)}</div>"


def legend(styles: Iterable[SeriesStyle]) -> str:
    """Return a list of series: how each is drawn, and its name."""
    items = "".join(f"<li>{swatch(style.index)}{escape(style.name)}</li>" for style in styles)
    return f"<ul class=legend>{items}</ul>"


def markdown_table(heading: str, columns: Sequence[str], rows: Iterable[Sequence[object]], note: str) -> str:
    """Return a Markdown table between its heading and a note.

    Args:
        heading: with its number signs; escaped.
        columns: names; escaped.
        rows: cells of each row, one a column; escaped.
        note: a paragraph below the table.
    """
    lines = [f"| {' | '.join(map(markdown_text, columns))} |", "|" + " --- |" * len(columns)]
    lines += [f"| {' | '.join(map(markdown_text, cells))} |" for cells in rows]
    return "\n".join([markdown_text(heading), "", *lines, "", note, ""])


def markdown_text(value: object) -> str:
    """Return a text for a cell or a heading: no HTML, no end of the cell, no control characters."""
    text = without_controls(str(value))
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("&", "&amp;").replace("<", "&lt;")
