"""The commands of `avtrain reproduce`, in the order of its --help."""

import typer

from avtrain.commands.reproduce.mla_table2 import mla_table2
from avtrain.commands.reproduce.mla_tables import HELP, mla_table
from avtrain.commands.reproduce.options import ListAll, ListAs
from avtrain.commands.reproduce.prompt_the_missing import prompt_the_missing

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Reproduce published tables, and compare each number with the published one.

    With --dry-run, the runs are listed and none is made. With --list, the published numbers are, all 310 of them.

    Examples:

        avtrain reproduce --list
        avtrain reproduce prompt-the-missing manifests/urbansound8kav.yaml --dry-run
        avtrain reproduce mla-table1 manifests/cremad.yaml --recipe published
    """,
)


@app.callback(invoke_without_command=True)
def main(context: typer.Context, list_numbers: ListAll = False, list_as: ListAs = "text") -> None:
    if list_numbers and context.invoked_subcommand is None:
        from avtrain.reproduction.listing import listing

        typer.echo(listing(None, list_as))
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    elif list_numbers:
        from avbuild.errors import UsageError

        name = context.invoked_subcommand
        raise UsageError(f"--list before {name}: write  avtrain reproduce {name} --list  for its numbers alone")


app.command("prompt-the-missing")(prompt_the_missing)
app.command("poster", hidden=True)(prompt_the_missing)  # its name in version 0.1
app.command("mla-table1", help=HELP["mla-table1"])(mla_table)
app.command("mla-table2")(mla_table2)
app.command("mla-table3", help=HELP["mla-table3"])(mla_table)
