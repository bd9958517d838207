"""`avbuild scenarios`."""

from pathlib import Path
from typing import Annotated

import typer


def scenarios(
    name: Annotated[
        str | None, typer.Argument(help="A corruption, preset or protocol to show in full; or a manifest.")
    ] = None,
) -> None:
    """List every corruption with its five severities, every preset and every missing-rate protocol.

    In a pipe, each is one line. With a name, that one is shown in full; with a manifest, its scenarios are listed too.

    Examples:

        avbuild scenarios
        avbuild scenarios ambient_noise
        avbuild scenarios manifests/demo.yaml
        avbuild scenarios | grep blur
    """
    from avbuild.inspect.list_corruptions import list_corruptions, list_presets, list_protocols, list_scenarios, show

    manifest = name is not None and ("/" in name or Path(name).suffix in (".yaml", ".yml") or Path(name).is_file())
    if name is not None and not manifest:
        show(name)
        return
    list_corruptions()
    list_presets()
    list_protocols()
    if name is not None:
        list_scenarios(name)
