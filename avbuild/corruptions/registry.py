"""Where corruptions are found: `corruptions_of(modality)[name]`. Decorating a function puts it there."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from avbuild.modalities.base import Signal
from avbuild.modalities.registry import FAMILIES, MODALITIES

Function = TypeVar("Function", bound=Callable[..., Signal])
Domain = Literal["signal", "feature"]
Level = float | tuple[float, ...]  # one number, or one for each parameter

SEVERITIES = (1, 2, 3, 4, 5)
MISSING = "missing"  # an op of every modality, decided before any signal is read: see scenarios.py
MISSING_RATES = (0.1, 0.3, 0.5, 0.7, 0.9)  # by severity

# ImageNet-C's constants are too strong for the pictures of CIFAR-10; CIFAR-10-C has a milder table for them.
SMALL_PICTURE = 64


@dataclass(frozen=True)
class Corruption:
    """A named op with its strengths. `version` enters every hash: raise it when the output changes."""

    name: str
    modality: str
    version: int
    domain: Domain  # feature: acts on what the front end made, in `avtrain` alone
    parameters: tuple[str, ...]  # what a level means: ("snr_db",), ("radius", "sigma"), ...
    within: tuple[tuple[float, float], ...]  # values that make sense, for each parameter
    severities: tuple[tuple[float, ...], ...]
    small_severities: tuple[tuple[float, ...], ...]  # for pictures under 64 px on the shorter side
    needs_clips: bool  # takes recordings of the user's own
    function: Callable[..., Signal]

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").splitlines()[0]

    def level(self, severity: int, signal: Signal) -> tuple[float, ...]:
        """The strength that a severity of 1 to 5 stands for on this signal, a value for each parameter."""
        small = self.small_severities != self.severities and min(signal.shape[:2]) < SMALL_PICTURE
        return (self.small_severities if small else self.severities)[severity - 1]

    def apply(self, signal: Signal, level: Sequence[float], rng: np.random.Generator, **resources: Any) -> Signal:
        """The op at a level, a value for each parameter."""
        return self.function(signal, *level, rng, **resources)


CORRUPTIONS: dict[str, dict[str, Corruption]] = {family: {} for family in FAMILIES}


def corruptions_of(modality: str) -> dict[str, Corruption]:
    """Return the corruptions that act on a modality, by name; video takes those of images, frame by frame."""
    return CORRUPTIONS[MODALITIES[modality].family]


def audio_corruption(
    *,
    version: int,
    severities: Sequence[Level],
    within: Sequence[Any],
    domain: Domain = "signal",
    name: str | None = None,
) -> Callable[[Function], Function]:
    """Register `f(audio float32 [samples], level, rng) -> float32 [samples]`.

    Several parameters: a tuple for each severity, and a pair of bounds for each.  name: if not the function's.
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
    """Register `f(image uint8 [H, W, 3], level, rng) -> uint8 [H, W, 3]`; `small`: levels for pictures under 64 px."""
    return lambda function: _register("image", name, function, version, domain, within, severities, small or severities)


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
    if name in CORRUPTIONS[modality] or name == MISSING:
        raise ValueError(f"{modality} corruption {name!r} is already registered")
    taken = inspect.signature(function).parameters
    parameters = tuple(list(taken)[1 : list(taken).index("rng")])
    bounds = tuple(within) if isinstance(within[0], tuple) else (tuple(within),)
    tables = [
        tuple(level if isinstance(level, tuple) else (level,) for level in table) for table in (severities, small)
    ]
    for table in tables:
        if [len(level) for level in table] != [len(parameters)] * len(SEVERITIES) or len(bounds) != len(parameters):
            raise ValueError(f"{modality} corruption {name!r} needs five severities of {', '.join(parameters)}")
    CORRUPTIONS[modality][name] = Corruption(
        name, modality, version, domain, parameters, bounds, tables[0], tables[1], "clips" in taken, function
    )
    return function
