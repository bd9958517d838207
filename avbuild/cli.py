"""The `avbuild` program: its commands, in the order of `avbuild --help`."""

import typer

from avbuild.command_line import VersionOption, run_program
from avbuild.commands.card import card
from avbuild.commands.corrupt import corrupt
from avbuild.commands.inspect import inspect
from avbuild.commands.list import list_data_sets
from avbuild.commands.make import make
from avbuild.commands.preview import preview
from avbuild.commands.push import push
from avbuild.commands.replay import replay
from avbuild.commands.scenarios import scenarios
from avbuild.commands.verify import verify
from avbuild.plugins.option import offer_plugins

# Typer prints the examples one a line only where a paragraph stands between the first line and "Examples:"
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Build paired audio-visual data sets and corrupt them reproducibly.

    Every corrupted sample can be created again anywhere, bit for bit.

    Examples:

        avbuild make demo-av --out demo/
        avbuild make urbansound8k-av --out data/
        avbuild corrupt --scenario D
        avbuild verify data/urbansound8k-av
    """,
)


@app.callback()
def options(version: VersionOption = False) -> None:
    """Take the options that stand before a command."""


app.command()(make)
app.command()(corrupt)
app.command()(verify)
app.command()(inspect)
app.command()(preview)
app.command()(replay)
app.command()(card)
app.command()(push)
app.command(name="list")(list_data_sets)
app.command()(scenarios)
offer_plugins(app, without=("inspect",))


def main() -> None:
    """Run the program."""
    run_program(app, when_stopped="run the same command again to finish")
