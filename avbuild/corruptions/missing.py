"""Missing modalities: published protocols that choose which modalities of a sample go missing.

Published code draws from the whole list of samples. Here the choice depends on the id of the sample alone, with the
same probabilities, so that it is the same in any order and for any part of the data. The number of missing samples
therefore varies by chance; the achieved rate is reported, and nothing is redrawn until a rate fits. What is missing at
one rate is missing at every higher one too.

Every protocol states its rule twice: as a choice for one sample, and as the probability of every set of modalities
that can go missing, from which its real rates are computed.
"""

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from avbuild.modalities.registry import MODALITIES

Draw = Callable[[str], float]  # purpose -> uniform number in [0, 1), a pure function of seed and sample id
Choose = Callable[[Draw, tuple[str, ...], float], frozenset[str]]
Chances = Callable[[tuple[str, ...], float], Mapping[frozenset[str], float]]

FILLS = ("null", "zeros", "mean", "noise")
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MissingProtocol:
    """A published way to choose the modalities that go missing.

    Attributes:
        name: as manifests write it.
        summary: the rule, in a line.
        source: who uses it.
        choose: (draw, modalities, requested rate) -> missing modalities, never all of them.
        chances: (modalities, requested rate) -> the probability of each set of missing modalities; they sum to 1.
        only: the one modality that can go missing, where the protocol has one.
        uses_rate: whether the requested rate has an effect.
    """

    name: str
    summary: str
    source: str
    choose: Choose
    chances: Chances
    only: str | None = None
    uses_rate: bool = True

    def cells_missing(self, modalities: tuple[str, ...], rate: float) -> float:
        """Return the expected share of all cells, sample by modality, that go missing at a requested rate."""
        chances = self.chances(modalities, rate)
        return sum(len(missing) * chance for missing, chance in chances.items()) / len(modalities)

    def complete(self, modalities: tuple[str, ...], rate: float) -> float:
        """Return the expected share of samples that keep all their modalities at a requested rate."""
        return self.chances(modalities, rate).get(NOTHING, 0.0)


def _cpm(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """Keep one random modality of each sample and drop each other one at random.

    From a rate of (V - 1) / V on, with V modalities, the one that is kept is the only one left.
    """
    safe = modalities[int(draw("safe") * len(modalities))]
    others = [modality for modality in modalities if modality != safe]
    chance = rate * len(modalities) / max(1, len(others))
    return frozenset(modality for modality in others if draw(modality) < chance)


def _cpm_chances(modalities: tuple[str, ...], rate: float) -> dict[frozenset[str], float]:
    """Return the probabilities of `_cpm`: a set of k goes missing where one of the V - k others is the safe one."""
    count = len(modalities)
    chance = min(1.0, rate * count / max(1, count - 1))
    return {
        lost: (count - len(lost)) / count * chance ** len(lost) * (1 - chance) ** (count - 1 - len(lost))
        for lost in _proper_subsets(modalities)
    }


def _bernoulli(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """Drop each modality with the probability `rate`, independently, given that not all are dropped.

    All sets of one size are equally likely, so the number of dropped modalities is drawn by its own distribution, and
    the first ones of a random order are dropped. One draw always suffices; and since that distribution moves up with
    the rate, what is missing at one rate is missing at every higher one.
    """
    below = list(itertools.accumulate(_bernoulli_counts(len(modalities), rate)))
    lost = min(bisect_right(below, draw("how many")), len(modalities) - 1)
    return frozenset(sorted(modalities, key=lambda modality: (draw(modality), modality))[:lost])


def _bernoulli_chances(modalities: tuple[str, ...], rate: float) -> dict[frozenset[str], float]:
    counts = _bernoulli_counts(len(modalities), rate)
    return {lost: counts[len(lost)] / math.comb(len(modalities), len(lost)) for lost in _proper_subsets(modalities)}


def _bernoulli_counts(count: int, rate: float) -> list[float]:
    """Return the probability that k of V modalities are dropped, for k from 0 to V - 1; at a rate of 1 that V - 1 are.

    P(k) is proportional to C(V, k) r^k (1 - r)^(V - k); the common factor 1 - r is left out, which gives the limit.
    """
    weights = [math.comb(count, lost) * rate**lost * (1 - rate) ** (count - 1 - lost) for lost in range(count)]
    total = sum(weights)
    return [weight / total for weight in weights]


def _mmin(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
    """Choose uniformly among all sets of modalities that are neither empty nor complete."""
    patterns = _incomplete(modalities)
    return patterns[int(draw("pattern") * len(patterns))] if patterns else NOTHING


def _mmin_chances(modalities: tuple[str, ...], rate: float) -> dict[frozenset[str], float]:
    patterns = _incomplete(modalities)
    return {pattern: 1 / len(patterns) for pattern in patterns} or {NOTHING: 1.0}


def _one_of_share(cases: Callable[[tuple[str, ...]], tuple[frozenset[str], ...]]) -> tuple[Choose, Chances]:
    """Return choice and probabilities of the rule that a share `rate` of the samples loses one of some equal cases.

    Args:
        cases: modalities -> the sets that may go missing, a set several times where it is more likely; possibly none.
    """

    def choose(draw: Draw, modalities: tuple[str, ...], rate: float) -> frozenset[str]:
        found = cases(modalities)
        if not found or draw("loses") >= rate:
            return NOTHING
        return found[int(draw("which") * len(found))]

    def chances(modalities: tuple[str, ...], rate: float) -> dict[frozenset[str], float]:
        found = cases(modalities)
        if not found:
            return {NOTHING: 1.0}
        return {NOTHING: 1 - rate} | {case: rate * found.count(case) / len(found) for case in found}

    return choose, chances


def _each(modalities: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """Return each modality by itself; nothing where there is only one, which must stay."""
    return tuple(frozenset({modality}) for modality in modalities) if len(modalities) > 1 else ()


def _each_and_both(modalities: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """Return each modality by itself, and audio with text.

    The `randint` of TATE's code includes its upper bound, so that its three cases V, A and T are followed by a fourth,
    which drops A and T. Where these two are not there, or are all there is, the fourth case is the last modality: so
    version 0.1 defined it, which knew no text.
    """
    both = frozenset({"audio", "text"})
    if not (both < set(modalities)):
        both = frozenset(modalities[-1:])
    return (*_each(modalities), both) if len(modalities) > 1 else ()


def _only(modality: str) -> Callable[[tuple[str, ...]], tuple[frozenset[str], ...]]:
    def cases(modalities: tuple[str, ...]) -> tuple[frozenset[str], ...]:
        return (frozenset({modality}),) if len(modalities) > 1 and modality in modalities else ()

    return cases


def _always(modality: str) -> tuple[Choose, Chances]:
    """Return choice and probabilities of the rule that every sample loses one modality, if it has another."""
    choose, chances = _one_of_share(_only(modality))
    return (
        lambda draw, modalities, _: choose(draw, modalities, 1.0),
        lambda modalities, _: chances(modalities, 1.0),
    )


def _proper_subsets(modalities: tuple[str, ...]) -> list[frozenset[str]]:
    """Return all sets that leave at least one modality, the empty one first."""
    return [frozenset(subset) for size in range(len(modalities)) for subset in itertools.combinations(modalities, size)]


def _incomplete(modalities: tuple[str, ...]) -> list[frozenset[str]]:
    return [lost for lost in _proper_subsets(modalities) if lost]


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        MissingProtocol(
            "cpm",
            "one random modality is kept, the others are dropped at random",
            "CPM-Nets; GCNet and MLA use the same code",
            _cpm,
            _cpm_chances,
        ),
        MissingProtocol(
            "bernoulli",
            "each modality is dropped at this rate independently, given that one is left",
            "in common use",
            _bernoulli,
            _bernoulli_chances,
        ),
        MissingProtocol(
            "mmin",
            "uniform over all incomplete sets of modalities; the rate is not used",
            "MMIN, IF-MMIN",
            _mmin,
            _mmin_chances,
            uses_rate=False,
        ),
        MissingProtocol(
            "tate",
            "this share of the samples loses one modality",
            "TATE, as described",
            *_one_of_share(_each),
        ),
        MissingProtocol(
            "tate_as_released",
            "as tate, with a further case: audio and text, or else the last modality",
            "TATE, released code",
            *_one_of_share(_each_and_both),
        ),
        MissingProtocol(
            "map",
            "this share of the samples loses one modality, each equally often",
            "Lee et al., CVPR 2023, 'both'",
            *_one_of_share(_each),
        ),
        *(
            MissingProtocol(
                f"map_{modality.name}",
                f"this share of the samples loses its {modality.noun}",
                "Lee et al., CVPR 2023, one modality",
                *_one_of_share(_only(modality.name)),
                only=modality.name,
            )
            for modality in MODALITIES.values()
        ),
        *(
            MissingProtocol(
                f"fixed_{modality.name}",
                f"every sample loses its {modality.noun}; the rate is not used",
                "fixed protocol, as in IMDer and DiCMoR",
                *_always(modality.name),
                only=modality.name,
                uses_rate=False,
            )
            for modality in MODALITIES.values()
        ),
    )
}
