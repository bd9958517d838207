"""Run a command line program so that an error the user can fix is one message and an exit code, not a traceback."""

import sys
from collections.abc import Callable

from avbuild.errors import UserError


def run_program(app: Callable[[], object], when_stopped: str, extra: str | None = None) -> None:
    """Run a program. Exit with code 1 or 2 after a user error, with 130 after Ctrl-C.

    Args:
        app: the Typer app, or a function that runs it.
        when_stopped: advice printed after Ctrl-C.
        extra: the pip extra with the packages that the program needs; None: it needs none.
    """
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").split(".", maxsplit=1)[0] in ("avbuild", "avtrain"):
            raise
        print(
            f"error: {error.name} is not installed; install the extra: pip install 'avbuild[{extra}]'", file=sys.stderr
        )
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"stopped; {when_stopped}", file=sys.stderr)
        sys.exit(130)
