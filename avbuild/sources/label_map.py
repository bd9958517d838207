"""Which classes of the other modality serve a class: by a label map, by equal names, else by class index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UsageError, nearest
from avbuild.scenarios.yaml_lines import parse
from avbuild.text_files import read_text

SHIPPED = Path(__file__).parent / "label_maps"


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """The partner classes of one class, and whether they fit or only share its index."""

    partners: tuple[str, ...]
    by_index: bool


def load_label_map(path: Path, targets: Sequence[str], partners: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `class: [partner, ...]`; an empty list means that no class fits.

    Raises UsageError that names every duplicate, unknown class and malformed entry with its line.
    """
    document = parse(read_text(path, "label map"), words_only=True)
    problems = [(line, message) for line, _, message in document.problems]
    if not isinstance(document.data, dict):
        problems.append((1, "a label map is lines like  dog_bark: [dog]"))
        document.data = {}
    for target, listed in document.data.items():
        if target not in targets:
            problems.append((document.line((target,)), f'no class "{target}"{nearest(target, targets)}'))
        if not isinstance(listed, list) or not all(isinstance(partner, str) for partner in listed):
            problems.append((document.line((target,)), f"{target}: give a list of classes, such as [dog]"))
            continue
        for partner in listed:
            if not _found(partner, partners):
                problems.append(
                    (document.line((target,)), f'no class "{partner}" to serve {target}{nearest(partner, partners)}')
                )
    if problems:
        rows = "\n".join(f"  line {line}  {message}" for line, message in sorted(problems))
        raise UsageError(f"{path}: {len(problems)} problems\n{rows}")
    return {target: tuple(listed) for target, listed in document.data.items()}


def shipped_label_map(target_corpus: str, partners: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The map shipped for these partner classes, recognised by their names; empty where none is.

    target_corpus: "urbansound8k" or "cifar10".
    """
    best: dict[str, tuple[str, ...]] = {}
    most = 0.5  # at least half of the names a map speaks of must be there
    for path in sorted(SHIPPED.glob(f"{target_corpus}_from_*.yaml")):
        written: dict[str, list[str]] = parse(path.read_text(encoding="utf-8"), words_only=True).data
        named = [partner for listed in written.values() for partner in listed]
        share = sum(bool(_found(partner, partners)) for partner in named) / len(named)
        if share > most:
            most, best = share, {target: tuple(listed) for target, listed in written.items()}
    return best


def match_classes(
    targets: Sequence[str], partners: Sequence[str], fits: Mapping[str, Sequence[str]]
) -> dict[str, ClassMatch]:
    """Partner classes for every target.

    What fits comes first: the label map, or an equal name where the map is silent.  A target that nothing fits takes
    the partner of its own class index, or the first one that no other target uses.
    """
    fitting = {target: _fitting(target, partners, fits) for target in targets}
    taken = {partner for found in fitting.values() for partner in found}
    matches = {}
    for index, target in enumerate(targets):
        if fitting[target]:
            matches[target] = ClassMatch(fitting[target], by_index=False)
            continue
        own = partners[index % len(partners)]
        free = [partner for partner in (own, *partners) if partner not in taken]
        chosen = free[0] if free else own  # fewer partners than targets: share
        taken.add(chosen)
        matches[target] = ClassMatch((chosen,), by_index=True)
    return {target: matches[target] for target in targets}


def _fitting(target: str, partners: Sequence[str], fits: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    wanted = fits.get(target, (target,))
    return tuple(dict.fromkeys(found for name in wanted for found in _found(name, partners)))


def _found(name: str, partners: Sequence[str]) -> list[str]:
    """Partners called so; any of ImageNet's comma-separated synonyms counts, in any case."""
    wanted = _normal(name)
    return [partner for partner in partners if wanted in (_normal(partner), *map(_normal, partner.split(",")))]


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", " ").replace("-", " ")


def match_partners(
    targets: Sequence[str], partners: Sequence[str], target_corpus: str, label_map: Path | None
) -> dict[str, ClassMatch]:
    """Match the classes of a corpus with those of its partner.

    Args:
        targets: classes of the data set.
        partners: classes of the other modality.
        target_corpus: "urbansound8k" or "cifar10", for the label map that is shipped for it.
        label_map: the user's own in its place.
    """
    if label_map is not None:
        return match_classes(targets, partners, load_label_map(label_map, targets, partners))
    return match_classes(targets, partners, shipped_label_map(target_corpus, partners))
