"""The provenance in `build.json`: recipe, sources, counts, and files left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from avbuild.dataset.build_record import (
    DEFAULT_GROUP,
    BuildRecord,
    LeftOutFile,
    MatchRecord,
    Recipe,
    SourceRecord,
    library_versions,
)
from avbuild.dataset.scenario_record import ScenarioRecord
from avbuild.dataset.splits import SPLITS, SplitKey, shared_groups
from avbuild.escaping import visible
from avbuild.modalities.registry import MODALITIES
from avbuild.modalities.video_frames import FPS
from avbuild.pipeline.prepare import Prepared
from avbuild.plugins.record import PluginRecord, record_of
from avbuild.scenarios.seeding import digest
from avbuild.sources.builder import Builder
from avbuild.sources.names import printable
from avbuild.sources.options import Options


def recipe_of(prepared: Prepared) -> Recipe:
    """Return the options that decide the bytes."""
    options, mapping = prepared.options, prepared.material.match
    recipe: Recipe = {
        "builder": prepared.builder.name,
        "layout": options.layout,
        "split": _split_name(prepared),
        "folds": ",".join(map(str, options.folds)) or None,
        "limit": options.limit,
        "seed": options.seed,
        "classes": digest({name: (match.partners, match.by_index) for name, match in mapping.items()})[:16],
    }
    builder = prepared.builder
    if builder.group != DEFAULT_GROUP:
        recipe["group"] = builder.group
    if builder.plugin is not None:
        recipe["plugin"] = builder.plugin.digest
    if builder.own_files:
        modalities = prepared.material.modalities
        recipe |= {"modalities": ",".join(modalities), "pair": options.pair, "group_pattern": options.group_pattern}
    if any(MODALITIES[modality].framewise for modality in prepared.material.modalities):
        recipe["fps"] = options.fps or FPS
    if "lists" in builder.options:
        splits = {item.id: item.split for item in prepared.material.corpora[0].items}
        recipe["lists"] = digest(splits)[:16] if options.lists else None
    return recipe | dict(prepared.material.recipe)


def _split_name(prepared: Prepared) -> str:
    options = prepared.options
    if prepared.given_splits:
        return options.split if options.split == "published" else "given"
    return "folds" if options.folds else "lists" if options.lists else options.split


def sources_of(prepared: Prepared) -> list[SourceRecord]:
    """Return each source with its credit, and a hash over the files used."""
    records = []
    for place, corpus in enumerate(prepared.material.corpora):
        used = sorted({sample.items[place].id for sample in prepared.samples if sample.items[place].present})
        credit = corpus.credit
        records.append(
            SourceRecord(
                role=corpus.modality,
                name=credit.name,
                licence=credit.licence,
                homepage=credit.homepage,
                citation=credit.citation,
                files=len(used),
                sha256=digest([(id, prepared.hashes.get((corpus.modality, id))) for id in used]),
            )
        )
    return records


def left_out_of(prepared: Prepared) -> tuple[LeftOutFile, ...]:
    """Return the files that were not used, by paths relative to their source."""
    options = prepared.options
    return tuple(
        LeftOutFile(path=visible(_relative(bad.path, options)), what=visible(bad.what)) for bad in prepared.left_out
    )


def build_record(
    prepared: Prepared,
    recipe: Recipe,
    sources: Sequence[SourceRecord],
    job: str,
    scenarios: dict[str, ScenarioRecord],
) -> BuildRecord:
    """Return the content of `build.json`.

    Args:
        prepared: items and options.
        recipe: options that decide the bytes.
        sources: with their hashes.
        job: hash of recipe and sources.
        scenarios: on disk.
    """
    samples, classes = prepared.samples, prepared.material.classes
    rows = [SplitKey(s.id, classes[s.label], s.first.group, s.first.fold, s.split) for s in samples]
    present = [split for split in SPLITS if any(row.split == split for row in rows)]
    counts = {split: Counter(row.label for row in rows if row.split == split) for split in present}
    options, group = prepared.options, prepared.builder.group
    return BuildRecord(
        name=prepared.name,
        title=prepared.title,
        description=options.description or "",
        builder=prepared.builder.name,
        recipe=recipe,
        job=job,
        classes=classes,
        sources=tuple(sources),
        split=_describe_split(prepared, group),
        leaky=_leaky(prepared, rows),
        groups={split: len({row.group for row in rows if row.split == split}) for split in present},
        per_class={split: {name: counts[split][name] for name in classes} for split in present},
        clips=len({sample.items[0].id for sample in samples if sample.items[0].present}),
        pictures=len({item.id for sample in samples for item in sample.items[1:2] if item.present}),
        pairing={
            name: MatchRecord(partners=match.partners, by_index=match.by_index)
            for name, match in prepared.material.match.items()
        },
        notes=(
            *(note for corpus in prepared.material.corpora for note in corpus.notes),
            *_notes(prepared, rows, group),
        ),
        left_out=left_out_of(prepared),
        versions=library_versions(videos=any(MODALITIES[m].framewise for m in prepared.material.modalities)),
        scenarios=scenarios,
        plugins=_plugins(prepared.builder),
    )


def _plugins(builder: Builder) -> tuple[PluginRecord, ...]:
    source = builder.plugin
    return () if source is None else (record_of(builder.plugin_group, builder.name, source),)


def _leaky(prepared: Prepared, rows: Sequence[SplitKey]) -> bool:
    """Whether a group stands in two splits, in a split that is not made to prevent it."""
    options = prepared.options
    if prepared.given_splits:
        return bool(_shared(prepared))
    if options.lists:
        return bool(shared_groups(rows))
    return options.split == "random70" and not options.folds


def _shared(prepared: Prepared) -> dict[str, list[str]]:
    """Return the groups of given splits, of any modality, that are in more than one split, with an id of each."""
    found: dict[str, list[str]] = {}
    # the modalities of one row are in one group, so that the first stands for all
    corpora = prepared.material.corpora[:1] if prepared.material.split_source else prepared.material.corpora
    for place, corpus in enumerate(corpora):
        used = {sample.items[place].id: (sample.items[place], sample.split) for sample in prepared.samples}
        keys = [SplitKey(item.id, item.label, item.group, item.fold, split) for item, split in used.values()]
        shared = shared_groups(keys)
        for key in keys:
            if key.group in shared:
                found.setdefault(f"{corpus.modality} {key.group}", []).append(key.id)
    return found


def _describe_split(prepared: Prepared, group: str) -> str:
    options = prepared.options
    if prepared.given_splits:
        items = prepared.material.corpora[0].items
        carved = (
            ""
            if any(item.split == "validation" for item in items)
            else (f"; validation is a tenth of train, whole {group}s")
        )
        return f"{prepared.material.split_source or 'given by the folders of the source'}{carved}"
    if options.folds:
        test, rest = options.folds[-1], ", ".join(map(str, options.folds[:-1]))
        return f"official folds: {test} tests, {rest} trains, validation carved from it by recording"
    if options.lists:
        return (
            f"published lists: the test list tests, the train list trains but for a tenth, whole {group}s, to validate"
        )
    if options.split == "random70":
        return f"random70 (legacy, leaky): 70 / 30 by clip, blind to {group}s"
    return f"grouped by {group}: 70 / 10 / 20"


def _notes(prepared: Prepared, rows: Sequence[SplitKey], group: str) -> list[str]:
    notes = []
    first, used = prepared.material.corpora[0], {sample.first.id for sample in prepared.samples}
    if unused := len(first.items) - len(used):
        why = "recordings that also stand in the test fold, over --limit" if prepared.options.folds else "not needed"
        if "lists" in prepared.builder.options:
            why = "over --limit, or with a video that cannot be used"
        clips = "clips" if first.modality == "audio" else MODALITIES[first.modality].nouns
        notes.append(f"{unused:,} {clips} of {first.credit.name} are not used ({why}).")
    if prepared.given_splits:
        notes += _leak_notes(_shared(prepared), group)
    elif leaking := shared_groups(rows):
        notes.append(f"Leaky: {len(leaking):,} {group}s stand in more than one split.")
    return notes


def _leak_notes(shared: Mapping[str, Sequence[str]], group: str, most: int = 3) -> list[str]:
    if not shared:
        return []
    examples = "; ".join(" = ".join(sorted(ids)[:most]) for ids in list(shared.values())[:most])
    return [
        f"Leaky: {len(shared):,} {group}s stand in more than one split, by name or as copies of one file: {examples}"
        + (" ..." if len(shared) > most else ".")
    ]


def _relative(path: str, options: Options) -> str:
    """Return a path relative to the source it is in."""
    image_root = options.images.partition(":")[2] if options.images else ""
    own = options.own_folders.values()
    for given in (
        *own,
        options.root,
        options.audio_root,
        Path(image_root) if image_root else None,
        options.lists,
        options.sources,
    ):
        root = None if given is None else Path(printable(str(given)))  # as in the paths of problems
        if root is not None and Path(path).is_relative_to(root):
            return Path(path).relative_to(root).as_posix()
    return path
