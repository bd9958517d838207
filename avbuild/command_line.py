"""How both programs end: what the user can put right is one message and an exit code, not a traceback."""

import sys
from collections.abc import Callable

from avbuild.errors import UserError


def run_program(app: Callable[[], object], when_stopped: str, extra: str | None = None) -> None:
    """Run a command.

    when_stopped: tells someone who pressed Ctrl-C what is kept.  extra: the extra whose packages the program needs.
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
