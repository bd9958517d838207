"""The `avbuild` program: which commands it has."""

import typer

from avbuild.command_line import run_program
from avbuild.commands import look, publish
from avbuild.commands.corrupt import corrupt
from avbuild.commands.make import make

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="""Paired audio-visual data sets, corrupted so exactly that any sample can be re-created anywhere.

    Examples:

        avbuild make demo-av --out demo/
        avbuild make urbansound8k-av --out data/
        avbuild corrupt --scenario D
        avbuild verify data/urbansound8k-av
    """,
)

for command in (make, corrupt, publish.verify, look.inspect, look.preview, look.replay, publish.card, publish.push):
    app.command()(command)
app.command(name="list")(look.list_builders)
app.command()(look.scenarios)


def main() -> None:
    """The program."""
    run_program(app, when_stopped="the same command finishes the rest")
