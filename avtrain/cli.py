"""The `avtrain` program: its commands, in the order of `avtrain --help`."""

import sys

import typer

from avbuild.command_line import VersionOption, run_program
from avbuild.plugins.option import offer_plugins
from avtrain.commands.cache import app as cache
from avtrain.commands.calibrate import calibrate
from avtrain.commands.compare import compare
from avtrain.commands.errors import errors
from avtrain.commands.evaluate import evaluate
from avtrain.commands.export import export
from avtrain.commands.fit import fit
from avtrain.commands.methods import methods
from avtrain.commands.predict import predict
from avtrain.commands.pretrain import pretrain
from avtrain.commands.push import push
from avtrain.commands.report import report
from avtrain.commands.reproduce.app import app as reproduce
from avtrain.commands.sweep import sweep
from avtrain.commands.validate import validate
from avtrain.distributed.process_group import process_group

# Typer prints the examples one a line only where a paragraph stands between the first line and "Examples:"
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Train audio-visual classifiers, and compare them under noisy and missing modalities.

    Every method gets the same data, front end, budget and seeds.

    Examples:

        avtrain fit manifests/demo.yaml --backbone tiny --lr 0.001
        avtrain eval runs/demo-finetune-tiny
        avtrain report runs/
        avtrain predict runs/demo-finetune-tiny --audio bark.wav --image dog.jpg
    """,
)


@app.callback()
def options(version: VersionOption = False) -> None:
    """Take the options that stand before a command."""


app.command()(fit)
app.command(name="eval")(evaluate)
app.command()(calibrate)
app.command()(report)
app.command()(sweep)
app.command()(compare)
app.command()(errors)
app.command()(pretrain)
app.command()(methods)
app.command()(validate)
app.command()(predict)
app.command()(export)
app.command()(push)
app.add_typer(cache, name="cache")
app.add_typer(reproduce, name="reproduce")
offer_plugins(app)


def program() -> None:
    """Run a command, in this process or in several that torchrun started together."""
    with process_group(command=next(iter(sys.argv[1:]), None)):
        app()


def main() -> None:
    """Run the program; a user error becomes one message and an exit code."""
    advice = "run the same command again to continue from the last finished epoch"
    run_program(program, when_stopped=advice, extra="train")
