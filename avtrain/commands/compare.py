"""`avtrain compare`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avtrain.commands.options import expand

if TYPE_CHECKING:
    from avtrain.report.comparison import ComparisonTable


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Evaluated runs, or folders of runs.", callback=expand)],
    baseline: Annotated[
        str | None,
        typer.Option(help="The method that all others are compared with.", show_default="none: every pair"),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(help="Scenarios, e.g. C,D; mean is their mean.", show_default="all, and their mean"),
    ] = None,
    inference: Annotated[
        str | None,
        typer.Option(help="Of methods with prompts compare only this inference mode, e.g. router.", show_default="all"),
    ] = None,
    output: Annotated[
        str, typer.Option("--format", help="What is printed: table, markdown, latex, csv or json.")
    ] = "table",
) -> None:
    """Test which differences between methods are real, on the same test samples.

    Paired bootstrap over recordings and seeds, with 95 % intervals, and McNemar's test.
    All p-values are Holm-corrected over the comparisons made.

    Examples:

        avtrain compare runs/
        avtrain compare runs/ --baseline linear-probe --scenario D
        avtrain compare runs/ --inference router --format latex
    """
    from avbuild.errors import UsageError
    from avtrain.report.comparison import compare as compare_table
    from avtrain.report.comparison_formats import FORMATS
    from avtrain.report.formats import check_format
    from avtrain.report.results import find_entry, gather, with_inference
    from avtrain.report.tables import accuracy_tables
    from avtrain.runs.search import find_runs

    check_format(output, ("table", *FORMATS))
    names = [name.strip() for name in scenario.split(",") if name.strip()] if scenario is not None else None
    if names == []:
        raise UsageError("--scenario: names no scenario; leave the option out to compare all")
    tables = []
    gathered = gather(find_runs(runs))
    for results in gathered if inference is None else with_inference(gathered, inference):
        chosen = find_entry(results, baseline, "--baseline") if baseline is not None else None
        for table in accuracy_tables(results):
            # scenarios of another manifest are compared where they are asked for, or nothing is
            if names is None or set(names) <= set(table.columns) or table.other_manifest is None:
                tables.append(compare_table(results, table, chosen, names))
    if output == "table":
        _print(tables)
    else:
        typer.echo(FORMATS[output](tables), nl=False)


def _print(tables: "Sequence[ComparisonTable]") -> None:
    from rich.console import Console
    from rich.table import Table

    from avtrain.report.comparison_formats import COLUMNS, IN_TERMINAL, TEXT_COLUMNS, cells
    from avtrain.report.terminal import plain

    for table in tables:
        shown = Table(title=plain(table.title), caption=plain(table.note), caption_justify="left")
        for place, column in enumerate(IN_TERMINAL):
            shown.add_column(column, justify="left" if place < TEXT_COLUMNS or column == "verdict" else "right")
        for comparison in table.comparisons:
            by_column = dict(zip(COLUMNS, cells(comparison), strict=True))
            shown.add_row(*(plain(by_column[column]) for column in IN_TERMINAL))
        Console().print(shown)
