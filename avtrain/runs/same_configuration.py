"""Refuse to go on with what was begun under another configuration."""

from collections.abc import Iterable, Mapping
from typing import Any

from avbuild.errors import UserError
from avtrain.runs.folder import Run

Parts = Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]


def refuse_other(run: Run, parts: Parts, *, holds: str, choose: str) -> None:
    """Raises UserError that lists what differs.

    parts: of the configuration, each as it is in the folder and as it is asked for.
    holds: what the folder holds, such as `a run`.  choose: the options that name another folder.
    """
    differing = [
        f"  {key}: {there.get(key)} there, {asked.get(key)} asked for"
        for there, asked in parts
        for key in {**there, **asked}
        if there.get(key) != asked.get(key)
    ]
    if differing:
        listed = "\n".join(differing)
        raise UserError(
            f"{run}: holds {holds} with another configuration\n{listed}\n"
            f"Choose another {choose}, or --resume restart to begin anew"
        )
