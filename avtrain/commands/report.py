"""`avtrain report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avtrain.commands.options import expand

if TYPE_CHECKING:
    from avtrain.report.tables import Table
    from avtrain.report.validation_sweeps import ValidationSweep


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of the runs.", callback=expand)] = Path("runs"),
    output: Annotated[
        str, typer.Option("--format", help="What is printed: table, markdown, latex, csv or json; all are written.")
    ] = "table",
    baseline: Annotated[
        str | None,
        typer.Option(
            help="The method that corruption errors (mCE) are relative to.",
            show_default="linear-probe, or the first method",
        ),
    ] = None,
) -> None:
    """Print the table of methods by scenarios, with mean ± std over seeds.

    The best of each column, and everything that a paired test cannot tell from it, is bold.
    Sweeps are shown with their accuracy on the validation split.
    The table is also written as a page, Markdown, LaTeX, CSV, JSON and a plot.

    Examples:

        avtrain report runs/
        avtrain report runs/ --format latex
        avtrain report runs/ --baseline finetune
    """
    from avtrain.report.formats import FORMATS, check_format
    from avtrain.report.terminal import without_controls
    from avtrain.report.writer import write_report, written_names

    check_format(output, ("table", *FORMATS))
    views = write_report(folder, baseline)
    if output == "table":
        for view in views:
            for table in view.tables:
                _print_table(table)
            for sweep in view.sweeps:
                _print_sweep(sweep)
    else:
        typer.echo(FORMATS[output](views), nl=False)
    # not among the lines of a table that is redirected to a file
    typer.echo(without_controls(f"written: {folder}/{', '.join(written_names(views))}"), err=output != "table")


def _print_table(results: "Table") -> None:
    from rich.console import Console
    from rich.table import Table as TerminalTable

    from avtrain.report.terminal import plain

    title = f"{plain(results.title)}: test accuracy, %"
    caption = plain(f"{results.size_note}. {results.test_note} {results.discrimination_note}".strip())
    table = TerminalTable(title=title, caption=caption, caption_justify="left")
    table.add_column("method")
    for column in (*results.columns, "n"):
        table.add_column(plain(column), justify="right")
    for entry, row in results.rows.items():
        cells = [f"[bold]{row[c]}[/]" if results.is_bold(entry, c) else str(row.get(c, "")) for c in results.columns]
        table.add_row(plain(entry), *cells, str(results.seed_count(entry)))
    Console().print(table)


def _print_sweep(sweep: "ValidationSweep") -> None:
    from rich.console import Console
    from rich.table import Table as TerminalTable

    from avtrain.report.sections.option_sweeps import NOTE
    from avtrain.report.terminal import plain

    table = TerminalTable(title=plain(f"{sweep.manifest}: {sweep.title}"), caption=NOTE, caption_justify="left")
    for column in sweep.columns:
        table.add_column(plain(column), justify="right")
    for row in sweep.rows:
        table.add_row(*map(plain, row))
    Console().print(table)
