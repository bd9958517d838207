"""Axes of charts: label, ends and ticks, and where a value lies between the ends."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    Attributes:
        label: text beside the axis, with the unit.
        low: value at the left or lower end.
        high: value at the right or upper end.
        ticks: text of each tick by its value.
        log: whether the scale is logarithmic; both ends are then positive.
    """

    label: str
    low: float
    high: float
    ticks: Mapping[float, str]
    log: bool = False

    def fraction(self, value: float) -> float:
        """Return where a value lies on the axis: 0 at `low`, 1 at `high`."""
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low)


def percent_axis(label: str, values: Iterable[float]) -> Axis:
    """Return an axis that ends at multiples of ten around the values, within 0 to 100.

    Args:
        label: text beside the axis.
        values: in %.
    """
    shown = list(values)
    low = max(0, 10 * math.floor(min(shown) / 10))
    high = min(100, 10 * math.ceil(max(shown) / 10))
    low, high = (low, high) if high > low else (max(0, high - 10), max(10, high))
    step = 2 if high - low <= 10 else 5 if high - low <= 20 else 10 if high - low <= 60 else 20
    return Axis(label, low, high, {tick: str(tick) for tick in range(low, high + 1, step)})


def integer_axis(label: str, values: Iterable[int]) -> Axis:
    """Return an axis for whole numbers such as epochs, with at most nine ticks."""
    shown = list(values)
    low, high = min(shown), max(shown)
    step = math.ceil((high - low + 1) / 9)
    return Axis(label, low - 0.5, high + 0.5, {tick: str(tick) for tick in range(low, high + 1, step)})


def axis_from_zero(label: str, values: Iterable[float]) -> Axis:
    """Return an axis from zero to a round number that no value exceeds.

    Args:
        label: text beside the axis.
        values: none below zero.
    """
    largest = max(values) or 1.0
    step = next(s for s in (f * 10.0**e for e in range(-12, 13) for f in (1, 2, 5)) if 5 * s >= largest)
    ticks = {count * step: f"{count * step:g}" for count in range(math.ceil(largest / step) + 1)}
    return Axis(label, 0.0, max(ticks), ticks)


def log_axis(label: str, values: Iterable[float]) -> Axis:
    """Return a logarithmic axis that ends at powers of ten around the values.

    Args:
        label: text beside the axis.
        values: counts; those below 1 are taken as 1.
    """
    shown = [max(1.0, value) for value in values]
    low, high = math.floor(math.log10(min(shown))), math.ceil(math.log10(max(shown)))
    high = max(high, low + 1)
    ticks = {10.0**exponent: _power_of_ten(exponent) for exponent in range(low, high + 1)}
    return Axis(label, 10.0**low, 10.0**high, ticks, log=True)


def _power_of_ten(exponent: int) -> str:
    """Return 1, 10, 100, 1k, 10k, ... for exponents from 0 on."""
    thousands, zeros = divmod(exponent, 3)
    return "1" + "0" * zeros + ("", "k", "M", "G", "T")[thousands]


def number_axis(label: str, values: Iterable[float]) -> Axis:
    """Return an axis for measured numbers such as decibels, with a tick at each of them; at most nine are named."""
    shown = sorted(set(values))
    margin = 0.05 * (shown[-1] - shown[0]) or 0.5
    step = math.ceil(len(shown) / 9)
    return Axis(label, shown[0] - margin, shown[-1] + margin, {value: f"{value:g}" for value in shown[::step]})
