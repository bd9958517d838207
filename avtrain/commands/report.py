"""`avtrain report`."""

from pathlib import Path
from typing import Annotated

import typer

from avtrain.commands.options import expand


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of the runs.", callback=expand)] = Path("runs"),
) -> None:
    """Print the table of methods by scenarios, with mean ± std over seeds.

    The table is also written as a page, Markdown, CSV and a plot.

    Example:

        avtrain report runs/
    """
    from rich.console import Console
    from rich.table import Table

    from avtrain.report.terminal import plain, without_controls
    from avtrain.report.writer import write_report

    console = Console()
    for results in write_report(folder):
        table = Table(title=f"{plain(results.title)}: test accuracy, %")
        table.add_column("method")
        for column in (*results.columns, "n"):
            table.add_column(plain(column), justify="right")
        for entry, row in results.rows.items():
            cells = [
                f"[bold]{row[c]}[/]" if results.is_best(entry, c) else str(row.get(c, "")) for c in results.columns
            ]
            table.add_row(plain(entry), *cells, str(results.seed_count(entry)))
        console.print(table)
    typer.echo(without_controls(f"written: {folder}/report.html, report.md, report.csv, report.png"))
