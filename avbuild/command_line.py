"""Run a command line program so that an error the user can fix is one message and an exit code, not a traceback."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated

import typer

from avbuild import __version__
from avbuild.errors import Stopped, UserError
from avbuild.escaping import visible


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"avbuild and avtrain {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
]


def run_program(app: Callable[[], object], when_stopped: str, extra: str | None = None) -> None:
    """Run a program. Exit with code 1 or 2 after a user error, with 128 + signal after Ctrl-C, SIGTERM or SIGHUP.

    Args:
        app: the Typer app, or a function that runs it.
        when_stopped: advice printed after one of these signals.
        extra: the pip extra with the packages that the program needs; None: it needs none.
    """
    _stop_at_signals()
    try:
        app()
    except UserError as error:
        print(f"error: {visible(error, keep=chr(10))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").split(".", maxsplit=1)[0] in ("avbuild", "avtrain"):
            raise
        print(
            f"error: {error.name} is not installed; install the extra: pip install 'avbuild[{extra}]'", file=sys.stderr
        )
        sys.exit(1)
    except Stopped as stopped:
        print(f"stopped; {when_stopped}", file=sys.stderr)
        sys.exit(stopped.exit_code)


def _stop_at_signals() -> None:
    """Let the signals that end a program raise `Stopped`, so that its files are left whole and its workers end."""
    numbers = [signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    if (
        "TORCHELASTIC_RUN_ID" not in os.environ
    ):  # torchrun ends its processes by SIGTERM and expects them to end at once
        numbers.append(signal.SIGTERM)
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one does not wait for the end of what is tidied up
    raise Stopped(number)
