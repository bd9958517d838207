"""Match classes of two modalities: by a label map, by equal names, or else by class index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UsageError, nearest
from avbuild.scenarios.yaml_lines import parse
from avbuild.sources.names import normal
from avbuild.text_files import read_text

SHIPPED = Path(__file__).parent / "label_maps"


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """The partner classes of a class, and whether they only have the same index."""

    partners: tuple[str, ...]
    by_index: bool


def load_label_map(path: Path, targets: Sequence[str], partners: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read a label map of lines `class: [partner, ...]`; an empty list means that no class fits.

    Args:
        path: YAML file.
        targets: classes of the data set.
        partners: classes of the other modality.

    Raises UsageError that names every duplicate, unknown class and malformed entry with its line.
    """
    document = parse(normal(read_text(path, "label map")), words_only=True)
    problems = [(line, message) for line, _, message in document.problems]
    if not isinstance(document.data, dict):
        problems.append((1, "a label map must have lines like  dog_bark: [dog]"))
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
    """Return the shipped label map for these partner classes, recognised by their names; empty where there is none.

    Args:
        target_corpus: "urbansound8k" or "cifar10".
        partners: classes of the other modality.
    """
    best: dict[str, tuple[str, ...]] = {}
    best_share = 0.5  # more than half of the partner classes that a map names must exist
    for path in sorted(SHIPPED.glob(f"{target_corpus}_from_*.yaml")):
        written: dict[str, list[str]] = parse(path.read_text(encoding="utf-8"), words_only=True).data
        named = [partner for listed in written.values() for partner in listed]
        share = sum(bool(_found(partner, partners)) for partner in named) / len(named)
        if share > best_share:
            best_share, best = share, {target: tuple(listed) for target, listed in written.items()}
    return best


def match_classes(
    targets: Sequence[str], partners: Sequence[str], fits: Mapping[str, Sequence[str]]
) -> dict[str, ClassMatch]:
    """Return the partner classes of every target class.

    A target has the partners of the label map, or those of equal name where the map does not list it.  A target without
    any takes the partner class of its own index, or the first one that no other target uses.

    Args:
        targets: classes of the data set.
        partners: classes of the other modality.
        fits: label map.
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
        chosen = free[0] if free else own  # fewer partners than targets: some are used twice
        taken.add(chosen)
        matches[target] = ClassMatch((chosen,), by_index=True)
    return {target: matches[target] for target in targets}


def _fitting(target: str, partners: Sequence[str], fits: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the partner classes that the label map, or an equal name, gives a target."""
    wanted = fits.get(target, (target,))
    return tuple(dict.fromkeys(found for name in wanted for found in _found(name, partners)))


def _found(name: str, partners: Sequence[str]) -> list[str]:
    """Return the partners of a name, ignoring case; each of ImageNet's comma-separated synonyms counts as a name."""
    wanted = same_name(name)
    return [partner for partner in partners if wanted in (same_name(partner), *map(same_name, partner.split(",")))]


def same_name(name: str) -> str:
    """Return a class name in the form in which names are compared: case, hyphens and underscores do not count."""
    return normal(name).strip().lower().replace("_", " ").replace("-", " ")


def match_partners(
    targets: Sequence[str], partners: Sequence[str], target_corpus: str, label_map: Path | None
) -> dict[str, ClassMatch]:
    """Match the classes of a data set with those of the other modality.

    Args:
        targets: classes of the data set.
        partners: classes of the other modality.
        target_corpus: "urbansound8k" or "cifar10"; selects the shipped label map.
        label_map: file of the user to use instead.

    Raises UsageError where that file has errors.
    """
    if label_map is not None:
        return match_classes(targets, partners, load_label_map(label_map, targets, partners))
    return match_classes(targets, partners, shipped_label_map(target_corpus, partners))
