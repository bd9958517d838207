"""Missing modalities: published protocols that choose which modalities of a sample go missing.

Published code draws from the whole list of samples. Here the choice depends on the id of the sample alone, with the
same probabilities, so that it is the same in any order and for any part of the data. The number of missing samples
therefore varies by chance; the achieved rate is reported, and nothing is redrawn until a rate fits.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from avbuild.modalities.registry import MODALITIES

Draw = Callable[[str], float]  # purpose -> uniform number in [0, 1), a pure function of seed and sample id
Choose = Callable[[Draw, tuple[str, ...], float], frozenset[str]]

FILLS = ("null", "zeros", "mean", "noise")


@dataclass(frozen=True)
class MissingProtocol:
    """A published way to choose the modalities that go missing."""

    name: str
    summary: str
    source: str
    choose: Choose  # (draw, modalities, requested rate) -> missing modalities, never all of them
    real_rate: Callable[[int, float], float]  # (number of modalities, requested rate) -> expected share of all cells
    only: str | None = None  # the one modality that can go missing, where the protocol has one


def _cpm(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """Keep one random modality of each sample and drop each other one at random.

    From a rate of (V - 1) / V on, with V modalities, the one that is kept is the only one left.
    """
    safe = modalities[int(draw("safe") * len(modalities))]
    others = [modality for modality in modalities if modality != safe]
    chance = rate * len(modalities) / max(1, len(others))
    return frozenset(modality for modality in others if draw(modality) < chance)


def _mmin(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """Choose uniformly among all sets of modalities that are neither empty nor complete."""
    patterns = [
        frozenset(pattern) for size in range(1, len(modalities)) for pattern in itertools.combinations(modalities, size)
    ]
    return patterns[int(draw("pattern") * len(patterns))] if patterns else frozenset()


def _tate(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """Drop one random modality from a share `rate` of the samples."""
    return _one_of(modalities, draw("which") * len(modalities)) if draw("loses") < rate else frozenset()


def _tate_as_released(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """As `_tate`, but `randint(0, V)` of the released code includes V, which stands for the last modality too."""
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
            "one random modality is kept, the others are dropped at random",
            "CPM-Nets; GCNet and MLA use the same code",
            _cpm,
            lambda count, rate: min(rate, (count - 1) / count),
        ),
        MissingProtocol(
            "mmin",
            "uniform over all incomplete sets of modalities; the rate is not used",
            "MMIN, IF-MMIN",
            _mmin,
            lambda count, _: 0.5 if count > 1 else 0.0,
        ),
        MissingProtocol(
            "tate",
            "this share of the samples loses one modality",
            "TATE, as described",
            _tate,
            lambda count, rate: rate / count,
        ),
        MissingProtocol(
            "tate_as_released",
            "as tate, but the last modality is dropped more often",
            "TATE, released code",
            _tate_as_released,
            lambda count, rate: rate / count,
        ),
        MissingProtocol(
            "map",
            "this share of the samples loses one modality, each equally often",
            "Lee et al., CVPR 2023, 'both'",
            _map(None),
            lambda count, rate: rate / count,
        ),
        *(
            MissingProtocol(
                f"map_{modality.name}",
                f"this share of the samples loses its {modality.noun}",
                "Lee et al., CVPR 2023, one modality",
                _map(modality.name),
                lambda count, rate: rate / count,
                only=modality.name,
            )
            for modality in MODALITIES.values()
        ),
    )
}
