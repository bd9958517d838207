"""Print what is in a data set, for `avbuild inspect`."""

from rich.console import Console
from rich.table import Table

from avbuild.dataset.build_record import BuildRecord, read_build
from avbuild.dataset.storage import Folder
from avbuild.escaping import in_terminal, visible
from avbuild.modalities.registry import MODALITIES


def describe_data_set(folder: Folder) -> None:
    """Print the scenarios, splits, classes, sources and library versions of a data set.

    Args:
        folder: of the data set.

    Raises UserError where the folder has no finished data set.
    """
    build = read_build(folder)
    console = Console()
    counts = ", ".join(f"{s.files:,} {MODALITIES[s.role].nouns.removeprefix('audio ')}" for s in build.sources)
    console.print(
        in_terminal(build.title).append(f" in {visible(folder)}: {counts}"),
        soft_wrap=True,
    )
    split = in_terminal(f"split: {build.split}")
    console.print(split.append("  leaky split", "bold red") if build.leaky else split, soft_wrap=True)
    console.print(_scenario_table(build))
    console.print(_class_table(build))
    for line in _source_lines(build, folder):
        console.print(in_terminal(line), soft_wrap=True)


def _scenario_table(build: BuildRecord) -> Table:
    missing = [f"no {modality}" for modality in build.modalities]
    table = Table("scenario", "split", "rows", "groups", *missing, "MB", "content")
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
    return table


def _class_table(build: BuildRecord) -> Table:
    splits = list(build.per_class)
    table = Table("class", *splits, "served by")
    for name in build.classes:
        match = build.pairing.get(name)
        served = "same id" if match is None else ", ".join(match.partners) + (" (by index)" if match.by_index else "")
        counts = (f"{build.per_class[split][name]:,}" for split in splits)
        table.add_row(in_terminal(name), *counts, in_terminal(served))
    return table


def _source_lines(build: BuildRecord, folder: Folder) -> list[str]:
    lines = [f"{source.role}: {source.name}, {source.files:,} files, {source.licence}" for source in build.sources]
    lines += [f"note: {note}" for note in build.notes]
    lines += [f"plug-in: {record} of {record.origin}, source {record.digest[:12]}" for record in build.all_plugins]
    if build.left_out:
        lines.append(f"{len(build.left_out):,} files left out: {folder.path('build.json')} names them")
    versions = ", ".join(f"{name} {version}" for name, version in build.versions.items())
    return [*lines, f"built with {versions}"]
