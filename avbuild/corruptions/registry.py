"""Where corruptions are found: `CORRUPTIONS[modality][name]`. Decorating a function puts it there."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # [samples], full scale 1.0
Pixels = NDArray[np.uint8]  # [height, width, 3]
Signal = NDArray[Any]  # one of the above
Function = TypeVar("Function", bound=Callable[..., Signal])

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
    parameter: str  # what a level means: "snr_db", "std", ...
    within: tuple[float, float]  # levels that make sense
    severities: tuple[float, ...]
    small_severities: tuple[float, ...]  # for pictures under 64 px on the shorter side
    apply: Callable[[Any, float, np.random.Generator], Signal]

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.apply) or "").splitlines()[0]

    def level(self, severity: int, signal: Signal) -> float:
        """The strength that a severity of 1 to 5 stands for on this signal."""
        small = self.modality == "image" and min(signal.shape[:2]) < SMALL_PICTURE
        return (self.small_severities if small else self.severities)[severity - 1]


CORRUPTIONS: dict[str, dict[str, Corruption]] = {"audio": {}, "image": {}}


def audio_corruption(
    *, version: int, severities: tuple[float, ...], within: tuple[float, float]
) -> Callable[[Function], Function]:
    """Register `f(audio float32 [samples], level, rng) -> float32 [samples]`."""
    return lambda function: _register("audio", function, version, within, severities, severities)


def image_corruption(
    *, version: int, severities: tuple[float, ...], small: tuple[float, ...], within: tuple[float, float]
) -> Callable[[Function], Function]:
    """Register `f(image uint8 [H, W, 3], level, rng) -> uint8 [H, W, 3]`; `small`: levels for pictures under 64 px."""
    return lambda function: _register("image", function, version, within, severities, small)


def _register(
    modality: str,
    function: Function,
    version: int,
    within: tuple[float, float],
    severities: tuple[float, ...],
    small: tuple[float, ...],
) -> Function:
    name = function.__name__
    if name in CORRUPTIONS[modality] or name == MISSING:
        raise ValueError(f"{modality} corruption {name!r} is already registered")
    if len(severities) != len(SEVERITIES) or len(small) != len(SEVERITIES):
        raise ValueError(f"{modality} corruption {name!r} needs five severities")
    parameter = list(inspect.signature(function).parameters)[1]
    CORRUPTIONS[modality][name] = Corruption(name, modality, version, parameter, within, severities, small, function)
    return function
