"""`avbuild scenarios`."""

from typing import Annotated

import typer


def scenarios(
    manifest: Annotated[str | None, typer.Argument(help="A manifest whose scenarios are listed too.")] = None,
) -> None:
    """List every corruption with its five severities, every preset and every missing-rate protocol.

    With a manifest, its scenarios are listed too.

    Examples:

        avbuild scenarios
        avbuild scenarios manifests/demo.yaml
    """
    from avbuild.inspect.list_corruptions import list_corruptions, list_presets, list_protocols, list_scenarios

    list_corruptions()
    list_presets()
    list_protocols()
    if manifest is not None:
        list_scenarios(manifest)
