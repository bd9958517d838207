"""Before anything is written: read the sources, check every file that will be used, and pair."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.errors import UserError
from avbuild.pipeline.check import check
from avbuild.pipeline.material import Material
from avbuild.pipeline.pairing import Pair
from avbuild.sources.builders import Builder
from avbuild.sources.corpus import Clip, Picture, Problem
from avbuild.sources.options import Options


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready to be written."""

    builder: Builder
    options: Options
    material: Material
    pairs: Sequence[Pair]
    hashes: Mapping[tuple[str, str], str]  # (modality, id) -> sha256 of the file
    left_out: Sequence[Problem]


def prepare(builder: Builder, options: Options, workers: int, skip_bad: bool) -> Prepared:
    """Read the sources, check every file that will be used, and pair.  Raises UserError that names every bad file."""
    material = builder.read(options)
    problems = [*material.audio.problems, *material.pictures.problems]
    hashes: dict[tuple[str, str], str] = {}
    while True:
        pairs = _pair(builder, material, options, problems, skip_bad)
        checked = [] if builder.synthetic else check(_unchecked(pairs, hashes), workers)
        hashes |= {(found.modality, found.id): found.sha256 for found in checked}
        bad = [found for found in checked if found.problem]
        problems += [found.problem for found in bad if found.problem]
        if problems and not skip_bad:
            raise UserError(_report(problems))
        if not bad:
            return Prepared(builder, options, material, pairs, hashes, [*problems, *material.audio.unwanted])
        # what is left out frees its partner, so pair again and check whatever newly came in
        clips = {found.id for found in bad if found.modality == Clip.modality}
        material = material.without(clips, {found.id for found in bad if found.modality != Clip.modality})


def _pair(
    builder: Builder, material: Material, options: Options, problems: Sequence[Problem], skip_bad: bool
) -> list[Pair]:
    try:
        pairs = builder.pair(material, options)
    except UserError:
        if problems and not skip_bad:  # absent files are the cause more often than not
            raise UserError(_report(problems)) from None
        raise
    if not pairs and not problems:
        raise UserError("no pair can be made: the sources hold no usable clip with a usable picture")
    return pairs


def _unchecked(pairs: Sequence[Pair], hashes: Mapping[tuple[str, str], str]) -> list[Clip | Picture]:
    clips = {(pair.clip.modality, pair.clip.id): pair.clip for pair in pairs}
    pictures = {(pair.picture.modality, pair.picture.id): pair.picture for pair in pairs}
    return [item for key, item in (clips | pictures).items() if key not in hashes]


def _report(problems: Sequence[Problem]) -> str:
    kinds = Counter(problem.what.split(":", 1)[0] for problem in problems)
    summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    lines = "\n".join(f"  {problem}" for problem in sorted(problems, key=lambda problem: (problem.what, problem.path)))
    return (
        f"{len(problems):,} files cannot be used:\n{lines}\n"
        f"{len(problems):,} files cannot be used ({summary}); nothing was written. "
        f"Put them right, or leave them out with --skip-bad."
    )
