"""Decide which of the user's own files belong together: by equal names within a class, or by class alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from avbuild.errors import UserError, listed
from avbuild.modalities.registry import MODALITIES
from avbuild.sources.contents import copies, joined_groups
from avbuild.sources.corpus import Corpus, Material, Problem, SourceItem
from avbuild.sources.label_map import ClassMatch
from avbuild.sources.names import printable
from avbuild.sources.own_folders import OwnFolder, group_names, left_out

Matches = Mapping[str, Mapping[str, ClassMatch]]  # modality -> class of the first modality -> its classes


def pairs_by_stem(folders: Sequence[OwnFolder], matches: Matches, pattern: str | None) -> Material:
    """Combine the files that have one stem in one class (and split) of every modality.

    Args:
        folders: one a modality, in the order of the columns.
        matches: classes of the other modalities; those of an equal name count.
        pattern: of the group in a file name; None: every name is a group.

    Raises UserError where no file has a partner.
    """
    first, alone = folders[0], len(folders) == 1
    label_of = {first.modality: {name: name for name in first.corpus.classes}}
    for modality, match in matches.items():
        fits = {name: found.partners for name, found in match.items() if not found.by_index}
        label_of[modality] = {partner: name for name, partners in fits.items() for partner in partners}
    unclear = {folder.modality: frozenset[str]() if alone else folder.same_stem for folder in folders}
    usable = {f.modality: _by_stem(f, label_of[f.modality], unclear[f.modality]) for f in folders}
    common = set.intersection(*(set(items) for items in usable.values()))
    if not common:
        raise UserError(_no_common_stem(folders, usable))
    chosen = {m: [item for id, item in items.items() if id in common] for m, items in usable.items()}
    groups = group_names({id: PurePosixPath(id).name for id in sorted(common)}, pattern)
    same = [[item.id for item in members] for items in chosen.values() for members in copies(items)]
    groups = joined_groups(groups, same)
    corpora = [
        replace(
            folder.corpus,
            items=tuple(replace(item, group=groups[item.id]) for item in chosen[folder.modality]),
            problems=(*folder.corpus.problems, *_same_stem(folder, unclear[folder.modality])),
            unwanted=_without_partner(folder, usable, label_of, common),
        )
        for folder in folders
    ]
    labels = {item.label for item in corpora[0].items}
    classes = tuple(name for name in first.corpus.classes if name in labels)
    counts = () if alone else (_stem_counts(corpora, len(common)),)
    return Material(tuple(corpora), classes, announcements=(*counts, *_copies_note(same)))


def _by_stem(folder: OwnFolder, label_of: Mapping[str, str], unclear: frozenset[str]) -> dict[str, SourceItem]:
    """Return the items by the id that their partners have too, without those of no class and of an unclear name."""
    found = {}
    for item in folder.corpus.items:
        if item.label in label_of and item.id not in unclear:
            label = label_of[item.label]
            above = f"{item.split}/" if item.split else ""
            id = f"{above}{label}{item.id.removeprefix(above).removeprefix(item.label)}"
            found[id] = replace(item, id=id, label=label)
    return found


def _same_stem(folder: OwnFolder, unclear: frozenset[str]) -> tuple[Problem, ...]:
    reason = f"another of the {folder.nouns} in this folder has the same name but for its suffix"
    return left_out([item for item in folder.corpus.items if item.id in unclear], reason)


def _without_partner(
    folder: OwnFolder,
    usable: Mapping[str, Mapping[str, SourceItem]],
    label_of: Mapping[str, Mapping[str, str]],
    common: set[str],
) -> tuple[Problem, ...]:
    """Return the items that have no partner, with the modality that lacks it."""
    others = [modality for modality in usable if modality != folder.modality]
    found = []
    for id, item in usable[folder.modality].items():
        if id in common:
            continue
        if no_class := [other for other in others if item.label not in label_of[other].values()]:
            found.append(Problem(item.media.name, _no_class(item.label, no_class)))
        else:
            lacking = " or ".join(MODALITIES[other].noun for other in others if id not in usable[other])
            found.append(Problem(item.media.name, f"no {lacking} with this name in class {item.label}"))
    unknown = [item for item in folder.corpus.items if item.label not in label_of[folder.modality]]
    return (*found, *(Problem(item.media.name, _no_class(item.label, others[:1])) for item in unknown))


def _no_class(label: str, others: Sequence[str]) -> str:
    return f"class {label} has no {' or '.join(MODALITIES[other].nouns for other in others)}"


def _no_common_stem(folders: Sequence[OwnFolder], usable: Mapping[str, Mapping[str, SourceItem]]) -> str:
    names = {folder.modality: list(usable[folder.modality])[:3] for folder in folders}
    examples = [f"{modality}: {', '.join(map(printable, first))}" for modality, first in names.items()]
    return (
        f"--pair stem: no name stands in every modality:\n{listed(examples)}\n"
        "Equal names within a class (and split) belong together; where any file of a class fits, use --pair class"
    )


def _stem_counts(corpora: Sequence[Corpus], pairs: int) -> str:
    parts = [f"{len(corpus.unwanted):,} {MODALITIES[corpus.modality].nouns}" for corpus in corpora]
    return f"paired by name: {pairs:,} samples; without a partner and left out: {' and '.join(parts)}"


def _copies_note(same: Sequence[Sequence[str]]) -> list[str]:
    if not same:
        return []
    files = sum(map(len, same))
    return [f"{files:,} files are copies of one another ({len(same):,} contents); copies count as one recording"]


def pairs_by_class(
    folders: Sequence[OwnFolder], matches: Matches, pattern: str | None, others_needed: bool
) -> Material:
    """Prepare pairing by class: any file of a class fits any file of its partner class.

    Args:
        folders: one a modality, in the order of the columns; each file of the first one becomes a sample.
        matches: modality -> class of the first modality -> the classes it is paired with.
        pattern: of the group in a file name; None: every file is a group.
        others_needed: whether files of a class without a partner class are problems, not only left out.
    """
    first, *others = folders
    classes = tuple(name for name in first.corpus.classes if all(name in match for match in matches.values()))
    partners = {m: {partner for name in classes for partner in matches[m][name].partners} for m in matches}
    kept = {first.modality: set(classes), **partners}
    corpora, same = [], []
    for folder in folders:
        items = [item for item in folder.corpus.items if item.label in kept[folder.modality]]
        rest = [item for item in folder.corpus.items if item.label not in kept[folder.modality]]
        groups = group_names({item.id: PurePosixPath(item.id).name for item in items}, pattern)
        alike = [[item.id for item in members] for members in copies(items)]
        groups = joined_groups(groups, alike)
        same += alike
        reasons = tuple(Problem(item.media.name, f"no class fits its class {item.label}") for item in rest)
        corpus = replace(folder.corpus, items=tuple(replace(item, group=groups[item.id]) for item in items))
        if others_needed:
            corpora.append(replace(corpus, problems=(*corpus.problems, *reasons)))
        else:
            corpora.append(replace(corpus, unwanted=reasons))
    used = {m: {name: match[name] for name in classes} for m, match in matches.items()}
    merged = {name: _merged([match[name] for match in used.values()]) for name in classes} if others else {}
    nouns = MODALITIES[first.modality].nouns
    line = f"paired by class: each of the {len(corpora[0].items):,} {nouns} becomes a sample"
    return Material(tuple(corpora), classes, merged, used, (line, *_copies_note(same)))


def _merged(found: Sequence[ClassMatch]) -> ClassMatch:
    """Return one match for the record: the partner classes of all modalities."""
    partners = dict.fromkeys(partner for match in found for partner in match.partners)
    return ClassMatch(tuple(partners), any(match.by_index for match in found))
