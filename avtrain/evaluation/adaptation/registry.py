"""All adapters, by the names that --adapt takes."""

from avbuild.errors import UsageError, nearest
from avtrain.evaluation.adaptation.align import Align
from avtrain.evaluation.adaptation.base import AdaptationSource, NoAdaptation, TestTimeAdapter
from avtrain.evaluation.adaptation.brimpr import BriMPR
from avtrain.evaluation.adaptation.read import Read
from avtrain.evaluation.adaptation.second_opinion import SecondOpinion
from avtrain.evaluation.adaptation.sumi import SuMi
from avtrain.evaluation.adaptation.tent import Tent
from avtrain.evaluation.adaptation.tsa import TSA
from avtrain.methods.base import Method

ADAPTERS: dict[str, type[TestTimeAdapter]] = {
    adapter.name: adapter for adapter in (NoAdaptation, SecondOpinion, Align, Tent, Read, SuMi, TSA, BriMPR)
}


def find_adapter(name: str) -> type[TestTimeAdapter]:
    """Return the adapter of a name.  Raises UsageError where there is none."""
    if name not in ADAPTERS:
        raise UsageError(f"--adapt {name}: no such adapter{nearest(name, ADAPTERS)}; allowed are {', '.join(ADAPTERS)}")
    return ADAPTERS[name]


def build_adapter(name: str, method: Method, source: AdaptationSource) -> TestTimeAdapter:
    """Wrap a trained method.

    Args:
        name: of the adapter.
        method: trained.
        source: statistics and samples of its training data.

    Raises:
        UsageError: there is no adapter of the name, or the method has nothing that it could change.
    """
    return find_adapter(name)(method, source)
