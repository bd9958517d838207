"""What `avbuild inspect`, `list` and `scenarios` print."""

from collections.abc import Sequence

import yaml
from rich.console import Console
from rich.table import Table

from avbuild.corruptions import CORRUPTIONS
from avbuild.corruptions.missing import PROTOCOLS
from avbuild.dataset.build_record import read_build
from avbuild.dataset.storage import Folder
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.presets import PRESETS
from avbuild.scenarios.spec import Scenario
from avbuild.sources.registry import BUILDERS


def describe(folder: Folder) -> None:
    """Print a data set's scenarios, classes, sources and versions."""
    build = read_build(folder)
    console = Console()
    visuals = MODALITIES[build.visual].nouns
    console.print(
        f"[bold]{build.title}[/] in {folder}: {build.clips:,} clips, {build.pictures:,} {visuals}",
        soft_wrap=True,
    )
    console.print(f"split: {build.split}" + ("  [bold red]leaky split[/]" if build.leaky else ""), soft_wrap=True)
    gone = [f"no {modality}" for modality in build.modalities]
    table = Table("scenario", "split", "rows", "groups", *gone, "MB", "content")
    for name, record in build.scenarios.items():
        for split, made in record.splits.items():
            size = sum(shard.bytes for shard in made.shards) / 1e6
            table.add_row(
                name,
                split,
                f"{made.rows:,}",
                f"{build.groups[split]:,}",
                *(f"{count:,}" for count in made.missing.values()),
                f"{size:,.1f}",
                record.content[:12],
            )
    console.print(table)
    splits = list(build.per_class)
    classes = Table("class", *splits, "served by")
    for name in build.classes:
        match = build.pairing.get(name)
        served = "same id" if match is None else ", ".join(match.partners) + (" (by index)" if match.by_index else "")
        classes.add_row(name, *(f"{build.per_class[split][name]:,}" for split in splits), served)
    console.print(classes)
    for source in build.sources:
        console.print(f"{source.role}: {source.name}, {source.files:,} files, {source.licence}", soft_wrap=True)
    for note in build.notes:
        console.print(f"note: {note}", soft_wrap=True)
    if build.left_out:
        console.print(f"{len(build.left_out):,} files left out: {folder.path('build.json')} names them")
    versions = ", ".join(f"{name} {version}" for name, version in build.versions.items())
    console.print(f"built with {versions}", soft_wrap=True)


def list_builders() -> None:
    """Print the data sets that can be made."""
    table = Table("data set", "needs", "licence")
    for builder in BUILDERS.values():
        table.add_row(builder.name, builder.needs, builder.licence)
    Console().print(table)


def list_corruptions(manifest: str | None) -> None:
    """Print every corruption with its strengths, and the scenarios of a manifest."""
    console = Console()
    columns = ("modality", "corruption", "what it does", "parameter", "severity 1 to 5", "pictures under 64 px")
    table = Table(*columns, caption="what acts on image acts on video too, on every frame alike")
    for modality, corruptions in CORRUPTIONS.items():
        for c in corruptions.values():
            small = "" if c.small_severities == c.severities else _levels(c.small_severities)
            table.add_row(modality, c.name, c.summary, ", ".join(c.parameters), _levels(c.severities), small)
    table.add_row("any", "missing", "The modality is absent.", "missing_rate", "0.1, 0.3, 0.5, 0.7, 0.9", "")
    console.print(table)
    _list_presets(console)
    _list_protocols(console)
    if manifest is not None:
        for name, scenario in load_manifest(manifest).scenarios.items():
            plan = yaml.safe_dump(scenario.as_yaml(), default_flow_style=True, sort_keys=False, width=10_000).strip()
            shown = "clean" if plan == "{}" else plan
            console.print(f"{name}  {shown}", soft_wrap=True, highlight=False, markup=False)  # [a, b] is no markup


def _levels(table: Sequence[Sequence[float]]) -> str:
    """One number a severity, or the numbers of each joined by a slash."""
    return ", ".join("/".join(f"{x:g}" for x in level) for level in table)


def _list_presets(console: Console) -> None:
    table = Table("scenario", "what it is", "sound", "picture", title="ready-made: {preset: NAME, severity: 3}")
    for name, preset in PRESETS.items():
        scenario = Scenario.model_validate({"preset": name})
        cells = []
        for modality in ("audio", "image"):
            plan = scenario.plans.get(modality)
            cells.append("" if plan is None else " or ".join(op.name for op in plan.any_of))
            cells[-1] = cells[-1] or ("" if plan is None else ", ".join(op.name for op in plan.chain))
        table.add_row(name, preset.summary, *cells)
    console.print(table)


def _list_protocols(console: Console) -> None:
    rates = (0.3, 0.5, 0.7)
    asked = [f"asked {rate:.0%}" for rate in rates]
    title = "missing: {protocol: NAME, rate: 0.5}, and the part of all sounds and pictures that really goes"
    table = Table("protocol", "what goes", "source", *asked, title=title)
    for protocol in PROTOCOLS.values():
        real = (f"{protocol.real_rate(len(CORRUPTIONS), rate):.0%}" for rate in rates)
        table.add_row(protocol.name, protocol.summary, protocol.source, *real)
    console.print(table)
