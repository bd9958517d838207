"""Print corruptions, presets, missing-rate protocols and a manifest's scenarios, for `avbuild scenarios`.

Names are never cut: a table gives way in its other columns.  In a pipe there is one name a line, with tabs between the
columns, so that grep, cut and awk work.
"""

from collections.abc import Iterator, Sequence

import yaml
from rich.console import Console
from rich.table import Table

from avbuild.corruptions.missing import PROTOCOLS, MissingProtocol
from avbuild.corruptions.registry import Corruption, all_corruptions
from avbuild.errors import UsageError, nearest
from avbuild.escaping import in_terminal, visible
from avbuild.modalities.registry import FAMILIES, MODALITIES
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.presets import PRESETS
from avbuild.scenarios.spec import Scenario

RATES = (0.3, 0.5, 0.7)  # missing rates for which the protocols are compared
COUNTS = (2, 3)  # numbers of modalities, likewise
WIDE = 120  # columns of a terminal that has room for all columns of a table
MISSING_LINE = ("any", "missing", "The modality is absent.", "missing_rate", "0.1, 0.3, 0.5, 0.7, 0.9", "")
CORRUPTION_COLUMNS = ("modality", "corruption", "what it does", "parameter", "severity 1 to 5", "images under 64 px")
PRESET_COLUMNS = ("scenario", "what it is", *FAMILIES)


def list_corruptions() -> None:
    """Print every corruption with its parameters and their values at severities 1 to 5."""
    rows = [
        (modality, c.name, _summary(c), ", ".join(c.parameters), _severity_values(c.severities), _small(c))
        for modality, corruptions in all_corruptions().items()
        for c in corruptions.values()
    ]
    caption = "every corruption of images also acts on video, on every frame alike"
    _print(CORRUPTION_COLUMNS, [*rows, MISSING_LINE], names=(0, 1), short=3, caption=caption)


def list_presets() -> None:
    """Print every scenario preset with its corruptions of each modality."""
    rows = []
    for name, preset in PRESETS.items():
        scenario = Scenario.model_validate({"preset": name})
        rows.append((name, preset.summary, *(_op_names(scenario, modality) for modality in FAMILIES)))
    _print(PRESET_COLUMNS, rows, names=(0,), short=2, title="presets: {preset: NAME, severity: 3}")


def list_protocols() -> None:
    """Print every missing-rate protocol with the shares of cells that are really missing, of two and three modalities.

    A cell is one modality of one sample.
    """
    title = "missing: {protocol: NAME, rate: 0.5}, and the share of all cells that is really missing"
    columns = ("protocol", "rule", "source", *(f"rate {rate:.0%}" for rate in RATES))
    rows = [
        (
            p.name,
            p.summary,
            p.source,
            *(" / ".join(f"{p.cells_missing(_some_modalities(p, n), rate):.0%}" for n in COUNTS) for rate in RATES),
        )
        for p in PROTOCOLS.values()
    ]
    _print(columns, rows, names=(0,), short=2, title=title, caption="rates: of two / of three modalities")


def list_scenarios(manifest: str) -> None:
    """Print the scenarios of a manifest, one a line.

    Args:
        manifest: path or URL.

    Raises UsageError where the manifest is not valid.
    """
    console = Console()
    for name, scenario in load_manifest(manifest).scenarios.items():
        console.print(in_terminal(f"{name}  {_in_yaml(scenario)}"), soft_wrap=True)


def show(name: str) -> None:
    """Print everything about the corruptions, preset and protocol of a name, one line a fact.

    Args:
        name: of a corruption, a preset or a missing-rate protocol.

    Raises UsageError that suggests the nearest name for one that nothing has.
    """
    facts = [*_corruption_facts(name), *_preset_facts(name), *_protocol_facts(name)]
    if not facts:
        known = sorted({*PRESETS, *PROTOCOLS, *(n for corruptions in all_corruptions().values() for n in corruptions)})
        raise UsageError(
            f'no corruption, preset or protocol "{name}", and no manifest of that name{nearest(name, known)}; '
            "avbuild scenarios lists all"
        )
    console = Console()
    for fact in facts:
        console.print(in_terminal(fact), soft_wrap=True)


def _corruption_facts(name: str) -> Iterator[str]:
    for modality, corruptions in all_corruptions().items():
        if found := corruptions.get(name):
            yield f"{name}: corruption of {modality}, version {found.version}, acts on the {found.domain}"
            yield f"  {_summary(found)}"
            for place, parameter in enumerate(found.parameters):
                low, high = found.within[place]
                yield f"  {parameter}: {_of(found.severities, place)} at severity 1 to 5; allowed {low:g} to {high:g}"
                if found.small_severities != found.severities:
                    yield f"  {parameter} in images under 64 px: {_of(found.small_severities, place)}"
            if found.needs_clips:
                yield f"  in a manifest: {{{modality}: {{chain: [{{{name}: {{clips: FOLDER, severity: 3}}}}]}}}}"
            else:
                yield f"  in a manifest: {{{modality}: {{chain: [{name}], severity: 3}}}}"


def _preset_facts(name: str) -> Iterator[str]:
    if preset := PRESETS.get(name):
        yield f"{name}: preset"
        yield f"  {preset.summary}"
        yield f"  stands for: {_in_yaml(Scenario.model_validate({'preset': name}))}"
        yield f"  in a manifest: {{preset: {name}{'' if preset.fixed else ', severity: 3'}}}"


def _protocol_facts(name: str) -> Iterator[str]:
    if protocol := PROTOCOLS.get(name):
        yield f"{name}: missing-rate protocol ({protocol.source})"
        yield f"  {protocol.summary}"
        for count in COUNTS:
            modalities = _some_modalities(protocol, count)
            for rate in RATES:
                missing, complete = protocol.cells_missing(modalities, rate), protocol.complete(modalities, rate)
                yield (
                    f"  {', '.join(modalities)} at rate {rate:.0%}: {missing:.1%} of cells missing, "
                    f"{complete:.1%} of samples complete"
                )
        yield f"  in a manifest: {{missing: {{protocol: {name}{', rate: 0.5' if protocol.uses_rate else ''}}}}}"


def _some_modalities(protocol: MissingProtocol, count: int) -> tuple[str, ...]:
    """Return names of modalities to show a protocol with, among them the one that it drops.

    Args:
        protocol: to show.
        count: 2 or 3.
    """
    first = [protocol.only] if protocol.only else []
    families = [m for m in FAMILIES if not first or MODALITIES[m].visual != MODALITIES[first[0]].visual or m in first]
    chosen = list(dict.fromkeys([*first, *families, *FAMILIES]))[:count]
    return tuple(m for m in MODALITIES if m in chosen)


def _summary(corruption: Corruption) -> str:
    """Return what a corruption does, and the plug-in that it comes from."""
    if corruption.plugin is None:
        return corruption.summary
    return f"{corruption.summary} (plug-in: {corruption.plugin.origin})"


def _print(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    names: Sequence[int],
    short: int,
    title: str = "",
    caption: str = "",
) -> None:
    """Print a table in a terminal, or lines with tabs in a pipe.

    Args:
        columns: their headings.
        rows: of cells.
        names: columns that are never cut or wrapped.
        short: number of columns in a narrow terminal.
        title: above the table.
        caption: below it.
    """
    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(visible(cell) for cell in row))
        return
    narrow = console.width < WIDE
    more = "avbuild scenarios NAME shows one in full, a wider terminal more columns"
    notes = [note for note in (caption, more if narrow else "") if note]
    table = Table(title=title or None, caption="; ".join(notes) or None)
    shown = columns[:short] if narrow else columns
    for place, column in enumerate(shown):
        table.add_column(column, no_wrap=place in names, overflow="fold")
    for row in rows:
        table.add_row(*map(in_terminal, row[: len(shown)]))
    console.print(table)


def _small(corruption: Corruption) -> str:
    same = corruption.small_severities == corruption.severities
    return "" if same else _severity_values(corruption.small_severities)


def _severity_values(severities: Sequence[Sequence[float]]) -> str:
    """Return one number per severity, or several joined by a slash where the corruption has several parameters."""
    return ", ".join("/".join(f"{value:g}" for value in values) for values in severities)


def _of(severities: Sequence[Sequence[float]], place: int) -> str:
    return ", ".join(f"{values[place]:g}" for values in severities)


def _in_yaml(scenario: Scenario) -> str:
    spec = yaml.safe_dump(scenario.as_yaml(), default_flow_style=True, sort_keys=False, width=10_000).strip()
    return "clean" if spec == "{}" else spec


def _op_names(scenario: Scenario, modality: str) -> str:
    plan = scenario.plans.get(modality)
    if plan is None:
        return ""
    return " or ".join(op.name for op in plan.any_of) or ", ".join(op.name for op in plan.chain)
