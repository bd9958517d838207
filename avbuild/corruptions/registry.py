"""The registry of corruptions: `corruptions_of(modality)[name]`. Decorating a function declares one.

Those of this package are in `CORRUPTIONS`; those of plug-ins are found when the registry is asked.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from avbuild.modalities.base import Signal
from avbuild.modalities.registry import FAMILIES, MODALITIES
from avbuild.plugins.registry import Definition, defined, refuse_shipped
from avbuild.plugins.source import PluginSource

Function = TypeVar("Function", bound=Callable[..., Signal])
Domain = Literal["signal", "feature"]
Level = float | tuple[float, ...]  # one number, or a tuple with one number per parameter

SEVERITIES = (1, 2, 3, 4, 5)
MISSING = "missing"  # an op of every modality, decided before any signal is read: see scenarios/plan.py
MISSING_RATES = (0.1, 0.3, 0.5, 0.7, 0.9)  # by severity

# px of the shorter side below which the small severities hold: ImageNet-C's are too strong for CIFAR-10's images
SMALL_IMAGE = 64

GROUP = "avbuild.corruptions"  # of the entry points
SHIPPED = "avbuild.corruptions."  # modules whose corruptions are not a plug-in's


@dataclass(frozen=True)
class Corruption:
    """A registered corruption and its severities. `version` enters every hash: raise it when the output changes."""

    plugin_group: ClassVar[str] = GROUP

    name: str
    modality: str
    version: int
    domain: Domain  # feature: acts on the output of the front end, in `avtrain` only
    parameters: tuple[str, ...]  # names of the numbers of a level: ("snr_db",), ("radius", "sigma"), ...
    within: tuple[tuple[float, float], ...]  # lowest and highest value allowed, per parameter
    severities: tuple[tuple[float, ...], ...]
    small_severities: tuple[tuple[float, ...], ...]  # for images under 64 px on the shorter side
    needs_clips: bool  # takes the user's own recordings
    function: Callable[..., Signal]
    plugin: PluginSource | None = None  # that defines it; None: avbuild does

    @property
    def identity(self) -> tuple[int] | tuple[int, str]:
        """The version, and for a corruption of a plug-in the digest of its source; both enter every hash."""
        return (self.version,) if self.plugin is None else (self.version, self.plugin.digest)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring, which `avbuild scenarios` prints; its name under python -OO."""
        return (inspect.getdoc(self.function) or self.name).splitlines()[0]

    def level(self, severity: int, signal: Signal) -> tuple[float, ...]:
        """Return the level that a severity stands for on this signal.

        Args:
            severity: 1 to 5.
            signal: the clip, image or text to corrupt; only the shape of an image is used.

        Returns one value per parameter, in the order of `parameters`.
        """
        small = self.small_severities != self.severities and min(signal.shape[:2]) < SMALL_IMAGE
        return (self.small_severities if small else self.severities)[severity - 1]

    def apply(self, signal: Signal, level: Sequence[float], rng: np.random.Generator, **resources: Any) -> Signal:
        """Apply the corruption at a given level.

        Args:
            signal: in the modality's own shape and type.
            level: one value per parameter.
            rng: generator for everything the corruption draws.
            resources: what this corruption needs besides, such as `clips`.

        Returns the corrupted signal, of the same shape and type.
        """
        return self.function(signal, *level, rng, **resources)


CORRUPTIONS: dict[str, dict[str, Corruption]] = {family: {} for family in FAMILIES}


def corruptions_of(modality: str) -> Mapping[str, Corruption]:
    """Return the corruptions that act on a modality, by name; video uses those of images, frame by frame.

    Raises UserError where a plug-in cannot be loaded.
    """
    return all_corruptions()[MODALITIES[modality].family]


def all_corruptions() -> Mapping[str, Mapping[str, Corruption]]:
    """Return the corruptions of avbuild and of all plug-ins: modality -> name -> corruption.

    Raises UserError where a plug-in cannot be loaded, or takes the name of a corruption of avbuild.
    """
    return _merged(plugged) if (plugged := tuple(defined(GROUP).values())) else CORRUPTIONS


@functools.lru_cache(maxsize=16)
def _merged(plugged: tuple[Definition, ...]) -> Mapping[str, Mapping[str, Corruption]]:
    refuse_shipped(plugged, {f"{family} {name}" for family, known in CORRUPTIONS.items() for name in known})
    merged = {family: dict(known) for family, known in CORRUPTIONS.items()}
    for definition in plugged:
        corruption = replace(definition.item, plugin=definition.source)
        merged[corruption.modality][corruption.name] = corruption
    return merged


def audio_corruption(
    *,
    version: int,
    severities: Sequence[Level],
    within: Sequence[Any],
    domain: Domain = "signal",
    name: str | None = None,
) -> Callable[[Function], Function]:
    """Register `f(audio float32 [samples], *level, rng) -> float32 [samples]`.

    Args:
        version: of the output; enters every hash.
        severities: level of each severity 1 to 5: a number, or a tuple with one number per parameter.
        within: lowest and highest value that a manifest may ask for; one pair per parameter if there are several.
        domain: "signal" for waveforms, "feature" for what a front end made of them.
        name: where it is not the function's.
    """
    return lambda function: _register("audio", name, function, version, domain, within, severities, severities)


def image_corruption(
    *,
    version: int,
    severities: Sequence[Level],
    within: Sequence[Any],
    small: Sequence[Level] = (),
    domain: Domain = "signal",
    name: str | None = None,
) -> Callable[[Function], Function]:
    """Register `f(image uint8 [H, W, 3], *level, rng) -> uint8 [H, W, 3]`.

    Args:
        version: of the output; enters every hash.
        severities: level of each severity 1 to 5: a number, or a tuple with one number per parameter.
        within: lowest and highest value that a manifest may ask for; one pair per parameter if there are several.
        small: severities for images whose shorter side is under 64 px; as `severities` where empty.
        domain: "signal" for pixels, "feature" for what a front end made of them.
        name: where it is not the function's.
    """
    return lambda function: _register("image", name, function, version, domain, within, severities, small or severities)


def text_corruption(
    *, version: int, severities: Sequence[Level], within: Sequence[Any], name: str | None = None
) -> Callable[[Function], Function]:
    """Register `f(text str, *level, rng) -> str`, both in Unicode's form NFC.

    Args:
        version: of the output; enters every hash.
        severities: level of each severity 1 to 5: a number, or a tuple with one number per parameter.
        within: lowest and highest value that a manifest may ask for; one pair per parameter if there are several.
        name: where it is not the function's.
    """
    return lambda function: _register("text", name, function, version, "signal", within, severities, severities)


def _register(
    modality: str,
    name: str | None,
    function: Function,
    version: int,
    domain: Domain,
    within: Sequence[Any],
    severities: Sequence[Level],
    small: Sequence[Level],
) -> Function:
    name = name or function.__name__
    if name == MISSING:
        raise ValueError(f"a {modality} corruption cannot be called {name!r}, which every modality has")
    arguments = inspect.signature(function).parameters
    if "rng" not in arguments:
        raise ValueError(f"{modality} corruption {name!r} needs the parameter rng after those of its level")
    parameters = tuple(list(arguments)[1 : list(arguments).index("rng")])
    bounds = tuple(within) if isinstance(within[0], tuple) else (tuple(within),)
    tables = [
        tuple(level if isinstance(level, tuple) else (level,) for level in table) for table in (severities, small)
    ]
    for table in tables:
        if [len(level) for level in table] != [len(parameters)] * len(SEVERITIES) or len(bounds) != len(parameters):
            raise ValueError(f"{modality} corruption {name!r} needs five severities of {', '.join(parameters)}")
    corruption = Corruption(
        name, modality, version, domain, parameters, bounds, tables[0], tables[1], "clips" in arguments, function
    )
    if function.__module__.startswith(SHIPPED):
        if name in CORRUPTIONS[modality]:
            raise ValueError(f"{modality} corruption {name!r} is already registered")
        CORRUPTIONS[modality][name] = corruption
    # what a plug-in declares is read from here when its module is loaded
    function.corruptions = (*getattr(function, "corruptions", ()), corruption)  # type: ignore[attr-defined]  # set here
    return function
