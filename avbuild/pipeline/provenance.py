"""What `build.json` tells of a build: its recipe, its sources, its counts, and what was left out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from avbuild.dataset.build_record import (
    BuildRecord,
    LeftOut,
    Match,
    Recipe,
    ScenarioRecord,
    SourceRecord,
    library_versions,
)
from avbuild.dataset.splits import SplitKey, shared_groups
from avbuild.modalities.video import FPS
from avbuild.pipeline.prepare import Prepared
from avbuild.scenarios.seeding import digest
from avbuild.sources.corpus import SPLITS
from avbuild.sources.options import Options


def recipe_of(prepared: Prepared) -> Recipe:
    """The options that decide the bytes."""
    options, mapping = prepared.options, prepared.material.match
    recipe: Recipe = {
        "builder": prepared.builder.name,
        "layout": options.layout,
        "split": "folds" if options.folds else "lists" if options.lists else options.split,
        "folds": ",".join(map(str, options.folds)) or None,
        "limit": options.limit,
        "seed": options.seed,
        "classes": digest({name: (match.partners, match.by_index) for name, match in mapping.items()})[:16],
    }
    if prepared.builder.visual == "video":  # data sets of pictures have none of these
        listed = digest({clip.id: clip.split for clip in prepared.material.audio.clips})[:16] if options.lists else None
        recipe |= {"group": "actor", "fps": options.fps or FPS, "lists": listed}
    return recipe


def sources_of(prepared: Prepared) -> list[SourceRecord]:
    """Whom to credit, and a hash over all files used."""
    records = []
    for role, corpus in (
        ("audio", prepared.material.audio),
        (prepared.builder.visual, prepared.material.pictures),
    ):
        used = sorted({pair.clip.id if role == "audio" else pair.picture.id for pair in prepared.pairs})
        credit = corpus.credit
        records.append(
            SourceRecord(
                role=role,
                name=credit.name,
                licence=credit.licence,
                homepage=credit.homepage,
                citation=credit.citation,
                files=len(used),
                sha256=digest([(id, prepared.hashes.get((role, id))) for id in used]),
            )
        )
    return records


def left_out_of(prepared: Prepared) -> tuple[LeftOut, ...]:
    """The files that were not used, without the folders of the builder's machine."""
    options = prepared.options
    return tuple(LeftOut(path=_relative(bad.path, options), what=bad.what) for bad in prepared.left_out)


def build_record(
    prepared: Prepared,
    recipe: Recipe,
    sources: Sequence[SourceRecord],
    job: str,
    scenarios: dict[str, ScenarioRecord],
) -> BuildRecord:
    """All of `build.json`."""
    pairs, classes = prepared.pairs, prepared.material.classes
    rows = [SplitKey(pair.id, classes[pair.label], pair.clip.group, pair.clip.fold, pair.split) for pair in pairs]
    present = [split for split in SPLITS if any(row.split == split for row in rows)]
    counts = {split: Counter(row.label for row in rows if row.split == split) for split in present}
    options, group = prepared.options, str(recipe.get("group", "recording"))
    return BuildRecord(
        name=prepared.builder.name,
        title=prepared.builder.title,
        builder=prepared.builder.name,
        recipe=recipe,
        job=job,
        classes=classes,
        sources=tuple(sources),
        split=_describe_split(options, group),
        leaky=bool(shared_groups(rows)) if options.lists else options.split == "random70" and not options.folds,
        groups={split: len({row.group for row in rows if row.split == split}) for split in present},
        per_class={split: {name: counts[split][name] for name in classes} for split in present},
        clips=len({pair.clip.id for pair in pairs}),
        pictures=len({pair.picture.id for pair in pairs}),
        pairing={
            name: Match(partners=match.partners, by_index=match.by_index)
            for name, match in prepared.material.match.items()
        },
        notes=(*prepared.material.audio.notes, *prepared.material.pictures.notes, *_notes(prepared, rows, group)),
        left_out=left_out_of(prepared),
        versions=library_versions(videos=prepared.builder.visual == "video"),
        scenarios=scenarios,
    )


def _describe_split(options: Options, group: str) -> str:
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
    clips, used = prepared.material.audio.clips, {pair.clip.id for pair in prepared.pairs}
    if unused := len(clips) - len(used):
        why = "recordings that also stand in the test fold, over --limit" if prepared.options.folds else "not needed"
        why = "over --limit, or with a video that cannot be used" if prepared.builder.visual == "video" else why
        notes.append(f"{unused:,} clips of {prepared.material.audio.credit.name} are not used ({why}).")
    if leaking := shared_groups(rows):
        notes.append(f"Leaky: {len(leaking):,} {group}s stand in more than one split.")
    return notes


def _relative(path: str, options: Options) -> str:
    """Without the folders of the builder's machine."""
    image_root = options.images.partition(":")[2] if options.images else ""
    for root in (options.audio_root, Path(image_root) if image_root else None, options.lists, options.sources):
        if root is not None and Path(path).is_relative_to(root):
            return Path(path).relative_to(root).as_posix()
    return path
