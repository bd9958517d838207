"""The option `--plugin`, which every command of both programs has."""

import functools
import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from avbuild.plugins.registry import plugins_loaded

PluginOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="Python file with corruptions, data sets, methods, backbones or report sections of your own; may be given "
        "several times. AVBUILD_PLUGINS names such files too.",
    ),
]


def offer_plugins(app: typer.Typer, without: Collection[str] = ()) -> None:
    """Give every command of a program, and of its groups, the option `--plugin`.

    Args:
        app: the program, with all its commands.
        without: names of functions of commands that use no plug-ins.
    """
    for group in app.registered_groups:
        if group.typer_instance is not None:
            offer_plugins(group.typer_instance, without)
    for command in app.registered_commands:
        if command.callback is not None and command.callback.__name__ not in without:
            command.callback = _with_option(command.callback)


def _with_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a command with the parameter `plugin`, whose files are loaded while it runs."""

    @functools.wraps(function)
    def command(*arguments: Any, plugin: list[Path] | None = None, **options: Any) -> Any:
        with plugins_loaded(plugin or ()):
            return function(*arguments, **options)

    signature = inspect.signature(function)
    option = inspect.Parameter("plugin", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=PluginOption)
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]  # set here
        parameters=[*signature.parameters.values(), option]
    )
    command.__annotations__ = {**function.__annotations__, "plugin": PluginOption}
    return command
