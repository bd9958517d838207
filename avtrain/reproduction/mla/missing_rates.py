"""Plan of MLA's Table 2, accuracy by missing rate: its systems, their one recipe, and a manifest for each condition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from avbuild.corruptions.missing import PROTOCOLS
from avbuild.errors import UsageError, UserError, nearest
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.spec import Missing, Scenario
from avtrain.data.shard_files import stored_modalities
from avtrain.methods.registry import all_methods, find_method
from avtrain.reproduction.system import System

NAME = "mla-table2"
TITLE = "Table 2 of MLA (CVPR 2024): IEMOCAP, accuracy by missing rate"

MissingIn = Literal["train-and-test", "test"]
MISSING_IN: tuple[MissingIn, ...] = ("train-and-test", "test")
RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # of the published columns

# rows of the published table, and our methods
PUBLISHED = {
    "Late Fusion": "late-fusion",
    "QMF": "qmf",
    "CCA": "cca",
    "DCCA": "dcca",
    "DCCAE": "dccae",
    "AE": "ae",
    "CRA": "cra",
    "MMIN": "mmin",
    "IF-MMIN": "if-mmin",
    "CPM-Net": "cpm-net",
    "TATE": "tate",
    "MLA": "mla",
}
NOT_PUBLISHED = ("prompt", "map", "modality-dropout", "simmlm")
OPTIONS = {"mla": (("hgm", "rls"), ("fusion", "entropy"))}  # that define a row, as in Table 1

# the recipe of all rows: the one of GCNet's ports of the published baselines, with a validation split
RECIPE: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 256,
    "lr": 1e-3,
    "optimizer": "adamw",
    "weight_decay": 1e-4,
    "draws": 1,  # one mask for all epochs, as published code draws it
}


@dataclass(frozen=True)
class RateCondition:
    """One protocol at one rate, on one data set.

    Attributes:
        data: name of the data set's manifest.
        protocol: name of the missing protocol.
        rate: nominal; None where the protocol has none.
        manifest: whose only scenario it is; it tests, and with missing modalities in training it trains too.
    """

    data: str
    protocol: str
    rate: float | None
    manifest: Manifest

    @property
    def scenario(self) -> str:
        """Return the name of its scenario, such as M30."""
        return next(iter(self.manifest.scenarios))


def systems_of(train_on: Literal["scenarios", "clean"]) -> tuple[System, ...]:
    """Return all rows, those whose method this avtrain does not have too.  train_on: of every row."""
    return tuple(
        System(name=name, method=name, train_on=train_on, method_options=OPTIONS.get(name, ()))
        for name in (*PUBLISHED.values(), *NOT_PUBLISHED)
    )


def available(systems: Sequence[System]) -> tuple[System, ...]:
    """Return the rows whose method this avtrain has."""
    return tuple(system for system in systems if system.method in all_methods())


def choose_systems(asked: str, systems: Sequence[System]) -> tuple[System, ...]:
    """Return the rows asked for, in the order of the table.

    Args:
        asked: names of methods joined by commas; "all" for every row whose method there is.
        systems: to choose from.

    Raises:
        UsageError: a name is unknown, or avtrain has no such method.
    """
    if asked == "all":
        return available(systems)
    words = [word.strip() for word in asked.split(",") if word.strip()]
    known = [system.name for system in systems]
    if unknown := [word for word in words if word not in known]:
        raise UsageError(
            f'--methods: no "{unknown[0]}"{nearest(unknown[0], known)}; allowed: all, or some of {", ".join(known)}'
        )
    if not words:
        raise UsageError(f"--methods {asked!r}: names no method; allowed: all, or some of {', '.join(known)}")
    chosen = tuple(system for system in systems if system.name in words)
    for system in chosen:
        find_method(system.method)  # raises where this version has no such method
    return chosen


def frozen_settings(systems: Sequence[System]) -> dict[str, dict[str, Any]]:
    """Return the options by which every method that can do so reads frozen embeddings."""
    return {
        system.method: {"method_options": {"frozen": True}}
        for system in systems
        if "frozen" in find_method(system.method).Config.model_fields
    }


def parse_rates(text: str) -> tuple[float, ...]:
    """Return the rates of `--rates`, in order, each once.  Raises UsageError where one is not from 0 to 1."""
    rates, wrong = set(), []
    for word in (part.strip() for part in text.split(",") if part.strip()):
        try:
            rate = float(word)
        except ValueError:
            rate = -1.0
        if 0 <= rate <= 1:
            rates.add(rate)
        else:
            wrong.append(word)
    if wrong or not rates:
        raise UsageError(f"--rates {','.join(wrong) or repr(text)}: give numbers from 0 to 1, such as 0.1,0.3,0.5")
    return tuple(sorted(rates))


def parse_protocols(asked: Sequence[str], modalities: Sequence[str], data: str) -> tuple[str, ...]:
    """Return the protocols of `--protocol`, each once; `fixed` stands for one protocol a modality.

    Args:
        asked: values of the option, each of one name or several joined by commas.
        modalities: of the data set.
        data: its name, for errors.

    Raises:
        UsageError: a protocol is unknown, or drops a modality that the data set does not have.
    """
    words = [word.strip() for value in asked for word in value.split(",") if word.strip()]
    known = ["fixed", *PROTOCOLS]
    if unknown := [word for word in words if word not in known]:
        raise UsageError(f'--protocol: no "{unknown[0]}"{nearest(unknown[0], known)}; allowed: {", ".join(known)}')
    if not words:
        raise UsageError(f"--protocol: names no protocol; allowed: {', '.join(known)}")
    every = [name for word in words for name in ([f"fixed_{m}" for m in modalities] if word == "fixed" else [word])]
    for name in every:
        only = PROTOCOLS[name].only
        if only is not None and only not in modalities:
            raise UsageError(f"--protocol {name}: {data} has no {only}; it has {', '.join(modalities)}")
    return tuple(dict.fromkeys(every))


def modalities_of(manifest: Manifest) -> tuple[str, ...]:
    """Return the modalities of a manifest's data set.

    Raises:
        UserError: the data set is not there.
        UsageError: it has one modality, so that none can be missing.
    """
    found = stored_modalities(manifest)
    if not found:
        raise UserError(f"{manifest.dataset}: no data set there; avbuild make makes one (avbuild list)")
    if len(found) < 2:
        raise UsageError(f"{manifest.name}: {manifest.dataset} has {found[0]} alone, and it cannot be missing")
    return found


def conditions_of(manifest: Manifest, protocols: Sequence[str], rates: Sequence[float]) -> tuple[RateCondition, ...]:
    """Return the conditions of a data set: each protocol at each rate, those without rates once.

    Masks depend on the manifest's seed, the protocol, the rate and the id of a sample, so all methods and seeds of
    training see the same ones.

    Args:
        manifest: names the data set and its split; its scenarios are not used.
        protocols: names.
        rates: nominal.
    """
    return tuple(
        _condition(manifest, protocol, rate)
        for protocol in protocols
        for rate in (rates if PROTOCOLS[protocol].uses_rate else (None,))
    )


def _condition(manifest: Manifest, protocol: str, rate: float | None) -> RateCondition:
    missing = Missing(protocol=protocol) if rate is None else Missing(protocol=protocol, rate=rate)
    scenario = "M" if rate is None else f"M{100 * rate:g}"
    update = {"name": f"{manifest.name}-{protocol}-{scenario}", "scenarios": {scenario: Scenario(missing=missing)}}
    return RateCondition(manifest.name, protocol, rate, manifest.model_copy(update=update))


def clean_name(data: str) -> str:
    """Return the name of the manifest that `clean_manifest` makes.  data: name of the data set's manifest."""
    return f"{data}-{CLEAN}"


def clean_manifest(manifest: Manifest) -> Manifest:
    """Return the manifest that is trained on where modalities are missing in the test alone."""
    update = {"name": clean_name(manifest.name), "scenarios": {CLEAN: Scenario()}}
    return manifest.model_copy(update=update)
