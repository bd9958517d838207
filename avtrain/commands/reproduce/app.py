"""The commands of `avtrain reproduce`, in the order of its --help."""

import typer

from avtrain.commands.reproduce.mla_tables import HELP, mla_table
from avtrain.commands.reproduce.prompt_the_missing import poster

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Reproduce published tables, and compare each number with the published one.

    With --dry-run, the runs are listed and none is made.

    Examples:

        avtrain reproduce poster manifests/urbansound8kav.yaml --dry-run
        avtrain reproduce mla-table1 manifests/cremad.yaml --dry-run
    """,
)

app.command()(poster)
for name, text in HELP.items():
    app.command(name, help=text)(mla_table)
