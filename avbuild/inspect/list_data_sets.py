"""Print the data sets that can be built, for `avbuild list`."""

from rich.console import Console
from rich.table import Table

from avbuild.sources.registry import BUILDERS


def list_data_sets() -> None:
    """Print each data set's name, what it needs, and its licence."""
    table = Table("data set", "needs", "licence")
    for builder in BUILDERS.values():
        table.add_row(builder.name, builder.needs, builder.licence)
    Console().print(table)
