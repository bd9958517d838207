"""Find the model that `avtrain eval --model MODULE:NAME` names."""

import importlib
import sys
from pathlib import Path

from torch import nn

from avbuild.errors import UsageError, nearest
from avtrain.evaluation.outside_method import Model


def import_model(named: str) -> Model:
    """Import a model by name; modules of the current folder are found too.

    Args:
        named: MODULE:NAME, such as `my_models:net`; a subclass of `nn.Module` is created without arguments.

    Raises:
        UsageError: there is no such module or name, or what it names is no model.
    """
    module_name, colon, attribute = named.partition(":")
    if not colon or not module_name or not attribute:
        raise UsageError(f"--model {named}: write MODULE:NAME, such as my_models:net for net in my_models.py")
    module_name = module_name.removesuffix(".py").replace("/", ".")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise UsageError(f"--model {named}: {module_name} needs {error.name}, which is not installed") from error
        raise UsageError(f"--model {named}: no module {module_name} in {here} or among the installed ones") from None
    except (ValueError, TypeError) as error:
        raise UsageError(f"--model {named}: {module_name} cannot be imported: {error}") from error
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            hint = nearest(part, [name for name in vars(module) if not name.startswith("_")])
            raise UsageError(f"--model {named}: {module_name} has no {part}{hint}")
        found = getattr(found, part)
    if isinstance(found, type) and issubclass(found, nn.Module):
        return _created(found, named)
    if isinstance(found, type) or not callable(found):
        raise UsageError(f"--model {named}: is {found!r}; name a module of PyTorch, or a function of a batch")
    return found


def _created(kind: type[nn.Module], named: str) -> Model:
    try:
        return kind()
    except TypeError as error:
        raise UsageError(
            f"--model {named}: cannot be created without arguments ({error}); name an object, such as net = "
            f"{kind.__name__}(...) with its weights loaded"
        ) from error
