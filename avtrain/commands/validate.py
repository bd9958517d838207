"""`avtrain validate`."""

from typing import Annotated

import typer

from avbuild.errors import UsageError


def validate(manifests: Annotated[list[str], typer.Argument(help="The manifests to check.")]) -> None:
    """Check manifests and report every mistake with its line.

    Where there is a mistake, the exit code is 2.

    Example:

        avtrain validate manifests/*.yaml
    """
    from avbuild.scenarios.manifest_file import load_manifest

    problems = []
    for path in manifests:
        try:
            manifest = load_manifest(path)
        except UsageError as error:
            problems.append(str(error))
        else:
            typer.echo(f"{path}: valid; scenarios {', '.join(manifest.scenarios)}; data {manifest.dataset}")
    if problems:
        raise UsageError("\n".join(problems))
