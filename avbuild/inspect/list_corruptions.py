"""Print corruptions, presets, missing-rate protocols and a manifest's scenarios, for `avbuild scenarios`."""

from collections.abc import Sequence

import yaml
from rich.console import Console
from rich.table import Table

from avbuild.corruptions.missing import PROTOCOLS
from avbuild.corruptions.registry import all_corruptions
from avbuild.escaping import in_terminal
from avbuild.modalities.registry import FAMILIES
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.presets import PRESETS
from avbuild.scenarios.spec import Scenario

RATES = (0.3, 0.5, 0.7)  # missing rates for which the protocols are compared


def list_corruptions() -> None:
    """Print every corruption with its parameters and their values at severities 1 to 5."""
    columns = ("modality", "corruption", "what it does", "parameter", "severity 1 to 5", "images under 64 px")
    table = Table(*columns, caption="every corruption of images also acts on video, on every frame alike")
    for modality, corruptions in all_corruptions().items():
        for c in corruptions.values():
            small = "" if c.small_severities == c.severities else _severity_values(c.small_severities)
            values = _severity_values(c.severities)
            summary = c.summary if c.plugin is None else f"{c.summary} (plug-in: {c.plugin.origin})"
            table.add_row(modality, in_terminal(c.name), in_terminal(summary), ", ".join(c.parameters), values, small)
    table.add_row("any", "missing", "The modality is absent.", "missing_rate", "0.1, 0.3, 0.5, 0.7, 0.9", "")
    Console().print(table)


def list_presets() -> None:
    """Print every scenario preset with its audio and image corruptions."""
    table = Table("scenario", "what it is", "audio", "image", title="presets: {preset: NAME, severity: 3}")
    for name, preset in PRESETS.items():
        scenario = Scenario.model_validate({"preset": name})
        table.add_row(name, preset.summary, *(_op_names(scenario, modality) for modality in FAMILIES))
    Console().print(table)


def list_protocols() -> None:
    """Print every published missing-rate protocol with the fraction that is really missing at some rates."""
    achieved = [f"rate {rate:.0%}" for rate in RATES]
    title = "missing: {protocol: NAME, rate: 0.5}, and the fraction of all audio and images that is really missing"
    table = Table("protocol", "rule", "source", *achieved, title=title)
    for protocol in PROTOCOLS.values():
        fractions = (f"{protocol.real_rate(len(FAMILIES), rate):.0%}" for rate in RATES)
        table.add_row(protocol.name, protocol.summary, protocol.source, *fractions)
    Console().print(table)


def list_scenarios(manifest: str) -> None:
    """Print the scenarios of a manifest, one a line.

    Args:
        manifest: path or URL.

    Raises UsageError where the manifest is not valid.
    """
    console = Console()
    for name, scenario in load_manifest(manifest).scenarios.items():
        spec = yaml.safe_dump(scenario.as_yaml(), default_flow_style=True, sort_keys=False, width=10_000).strip()
        shown = "clean" if spec == "{}" else spec
        console.print(in_terminal(f"{name}  {shown}"), soft_wrap=True)


def _severity_values(severities: Sequence[Sequence[float]]) -> str:
    """Return one number per severity, or several joined by a slash where the corruption has several parameters."""
    return ", ".join("/".join(f"{value:g}" for value in values) for values in severities)


def _op_names(scenario: Scenario, modality: str) -> str:
    plan = scenario.plans.get(modality)
    if plan is None:
        return ""
    return " or ".join(op.name for op in plan.any_of) or ", ".join(op.name for op in plan.chain)
