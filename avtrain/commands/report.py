"""`avtrain report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of the runs.")] = Path("runs"),
) -> None:
    """Print the table of methods by scenarios, with mean ± std over seeds.

    The table is also written as a page, Markdown, CSV and a plot.

    Example:

        avtrain report runs/
    """
    from rich.console import Console
    from rich.table import Table

    from avtrain.report.writer import write_report

    console = Console()
    for results in write_report(folder):
        table = Table(title=f"{results.title}: test accuracy, %")
        table.add_column("method")
        for column in (*results.columns, "n"):
            table.add_column(column, justify="right")
        for entry, row in results.rows.items():
            cells = [
                f"[bold]{row[c]}[/]" if results.is_best(entry, c) else str(row.get(c, "")) for c in results.columns
            ]
            table.add_row(str(entry), *cells, str(results.seed_count(entry)))
        console.print(table)
    typer.echo(f"written: {folder}/report.html, report.md, report.csv, report.png")
