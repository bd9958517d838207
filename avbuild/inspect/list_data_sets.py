"""Print the data sets that can be built, for `avbuild list`."""

from rich.console import Console
from rich.table import Table

from avbuild.escaping import in_terminal
from avbuild.sources.registry import all_builders


def list_data_sets() -> None:
    """Print each data set's name, what it needs, and its licence."""
    table = Table("data set", "needs", "licence")
    for builder in all_builders().values():
        needs = builder.needs if builder.plugin is None else f"{builder.needs} (plug-in: {builder.plugin.origin})"
        table.add_row(*map(in_terminal, (builder.name, needs, builder.licence)))
    Console().print(table)
