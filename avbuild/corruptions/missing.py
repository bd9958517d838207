"""Missing modalities: the published ways of choosing which go, and what may stand in their place.

Published code draws from the whole list of samples; here each sample's fate depends on its own id alone (the law of
seeds), with the same probabilities. So counts vary by chance, are reported as achieved, and nothing is ever redrawn:
no choice of rate and number of samples can keep it from ending.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from avbuild.modalities.registry import MODALITIES

Draw = Callable[[str], float]  # purpose -> uniform in [0, 1), fixed for the sample
Choose = Callable[[Draw, tuple[str, ...], float], frozenset[str]]

FILLS = ("null", "zeros", "mean", "noise")


@dataclass(frozen=True)
class MissingProtocol:
    """A published way to make modalities missing."""

    name: str
    summary: str
    source: str
    choose: Choose  # (draw, modalities, rate) -> those that go; never all of them
    real_rate: Callable[[int, float], float]  # (number of modalities, rate asked for) -> part of all cells missing
    only: str | None = None  # the one modality that ever goes


def _cpm(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """One modality of each sample is safe; from a rate of (V - 1) / V on, it is the only one left."""
    safe = modalities[int(draw("safe") * len(modalities))]
    others = [modality for modality in modalities if modality != safe]
    chance = rate * len(modalities) / max(1, len(others))
    return frozenset(modality for modality in others if draw(modality) < chance)


def _mmin(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """One of the patterns in which something is missing and something is left, all as likely."""
    patterns = [
        frozenset(pattern) for size in range(1, len(modalities)) for pattern in itertools.combinations(modalities, size)
    ]
    return patterns[int(draw("pattern") * len(patterns))] if patterns else frozenset()


def _tate(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    return _one_of(modalities, draw("which") * len(modalities)) if draw("loses") < rate else frozenset()


def _tate_as_released(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """Its `randint(0, V)` includes V, and V means the last modality too."""
    return _one_of(modalities, draw("which") * (len(modalities) + 1)) if draw("loses") < rate else frozenset()


def _one_of(modalities: tuple[str, ...], position: float) -> frozenset[str]:
    return frozenset({modalities[min(int(position), len(modalities) - 1)]}) if len(modalities) > 1 else frozenset()


def _map(modality: str | None) -> Choose:
    def choose(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
        if draw("loses") >= rate or len(modalities) < 2:
            return frozenset()
        return frozenset({modality or modalities[int(draw("which") * len(modalities))]}) & frozenset(modalities)

    return choose


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        MissingProtocol(
            "cpm",
            "one random modality stays, the others go at random",
            "CPM-Nets; GCNet and MLA use the same code",
            _cpm,
            lambda count, rate: min(rate, (count - 1) / count),
        ),
        MissingProtocol(
            "mmin",
            "one of all incomplete patterns, equally likely; the rate is not used",
            "MMIN, IF-MMIN",
            _mmin,
            lambda count, _: 0.5 if count > 1 else 0.0,
        ),
        MissingProtocol(
            "tate",
            "this part of the samples loses one modality",
            "TATE, as described",
            _tate,
            lambda count, rate: rate / count,
        ),
        MissingProtocol(
            "tate_as_released",
            "as tate, but the last modality goes more often",
            "TATE, released code",
            _tate_as_released,
            lambda count, rate: rate / count,
        ),
        MissingProtocol(
            "map",
            "this part of the samples loses one modality, half each",
            "Lee et al., CVPR 2023, 'both'",
            _map(None),
            lambda count, rate: rate / count,
        ),
        *(
            MissingProtocol(
                f"map_{modality.name}",
                f"this part of the samples loses its {modality.noun}",
                "Lee et al., CVPR 2023, one modality",
                _map(modality.name),
                lambda count, rate: rate / count,
                only=modality.name,
            )
            for modality in MODALITIES.values()
        ),
    )
}
