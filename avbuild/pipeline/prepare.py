"""Prepare a data set before anything is written: read the sources, pair their items, check every file that is used."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError, listed
from avbuild.pipeline.check import check
from avbuild.pipeline.pairing import pair_samples
from avbuild.pipeline.partners import PairedSample
from avbuild.sources.builder import Builder
from avbuild.sources.corpus import Material, Problem, SourceItem
from avbuild.sources.options import Options
from avbuild.sources.registry import read_sources

MOST_FILES = 10  # that an error lists, and as many folders, so that it fits on a screen
MOST_KINDS = 5


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready to be written."""

    builder: Builder
    options: Options
    material: Material
    samples: Sequence[PairedSample]
    hashes: Mapping[tuple[str, str], str]  # (modality, id) -> sha256 of the file
    left_out: Sequence[Problem]


def prepare(builder: Builder, options: Options, workers: int, skip_bad: bool) -> Prepared:
    """Read the sources, pair their items, and check every file that is used.

    Args:
        builder: of the data set.
        options: of the user.
        workers: number of processes.
        skip_bad: leave out files that cannot be used.

    Raises UserError that names every file that cannot be used, unless they are left out.
    """
    material = read_sources(builder, options)
    problems = [problem for corpus in material.corpora for problem in corpus.problems]
    hashes: dict[tuple[str, str], str] = {}
    while True:
        samples = _pair(builder, material, options, problems, skip_bad)
        checked = [] if builder.synthetic else check(_unchecked(samples, hashes), workers)
        hashes |= {(found.modality, found.id): found.sha256 for found in checked}
        bad = [found for found in checked if found.problem]
        problems += [found.problem for found in bad if found.problem]
        if problems and not skip_bad:
            raise UserError(_report(problems))
        if not bad:
            unwanted = [problem for corpus in material.corpora for problem in corpus.unwanted]
            return Prepared(builder, options, material, samples, hashes, [*problems, *unwanted])
        # leaving out a file can pair its partner with another file: pair again, and check what is new
        material = material.without({(found.modality, found.id) for found in bad})


def _pair(
    builder: Builder, material: Material, options: Options, problems: Sequence[Problem], skip_bad: bool
) -> list[PairedSample]:
    try:
        samples = pair_samples(builder, material, options)
    except UserError:
        if problems and not skip_bad:  # unusable files are the likely cause
            raise UserError(_report(problems)) from None
        raise
    if not samples and not problems:
        raise UserError("no sample can be made: the sources hold no usable audio clip with a usable partner")
    return samples


def _unchecked(samples: Sequence[PairedSample], hashes: Mapping[tuple[str, str], str]) -> list[SourceItem]:
    """Return the items that are used and not checked yet, one modality after the other."""
    by_modality = zip(*(sample.items for sample in samples), strict=True)
    items = {(item.modality, item.id): item for items in by_modality for item in items}
    return [item for key, item in items.items() if key not in hashes]


def _report(problems: Sequence[Problem]) -> str:
    """Return the error for files that cannot be used, which fits on a screen."""
    kinds = Counter(_kind(problem) for problem in problems)
    summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(MOST_KINDS))
    ordered = sorted(problems, key=lambda problem: (problem.what, problem.path))
    shown = listed(ordered, MOST_FILES if len(problems) > 2 * MOST_FILES else len(problems))
    folders = f"in these folders:\n{_by_folder(problems)}\n" if len(problems) > 2 * MOST_FILES else ""
    return (
        f"{len(problems):,} files cannot be used:\n{shown}\n{folders}"
        f"{len(problems):,} files cannot be used ({summary}); nothing was written. "
        f"Repair them, or leave them out with --skip-bad, which lists all of them in build.json."
    )


def _kind(problem: Problem) -> str:
    return problem.what.split(":", 1)[0]


def _by_folder(problems: Sequence[Problem]) -> str:
    """Return the number of files of each kind in each folder."""
    counts = Counter((str(Path(problem.path).parent), _kind(problem)) for problem in problems)
    return listed([f"{folder}: {count:,} {kind}" for (folder, kind), count in sorted(counts.items())], MOST_FILES)
