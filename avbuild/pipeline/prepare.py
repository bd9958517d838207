"""Prepare a data set before anything is written: read the sources, pair their items, check every file that is used."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UsageError, UserError, listed
from avbuild.pipeline.check import check
from avbuild.pipeline.pairing import pair_samples, refuse_pairs_by_index_alone
from avbuild.pipeline.partners import PairedSample
from avbuild.sources.builder import Builder
from avbuild.sources.corpus import Material, Problem, SourceItem
from avbuild.sources.options import Options
from avbuild.sources.registry import read_sources

MOST_FILES = 10  # that an error lists, and as many folders, so that it fits on a screen
MOST_KINDS = 5


class UnusableFiles(UserError):
    """Files that cannot be used: the message fits on a screen, the list names all of them.

    Args:
        problems: all of them.
        advice: of the sources, such as the folds that are whole.
    """

    def __init__(self, problems: Sequence[Problem], advice: Sequence[str] = ()) -> None:
        ordered = sorted(problems, key=lambda problem: (problem.what, _natural(problem.path)))
        super().__init__(_report(ordered, advice))
        self.shows_all = len(problems) <= 2 * MOST_FILES
        self.whole_list = "".join(f"{problem}\n" for problem in ordered)


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready to be written."""

    builder: Builder
    options: Options
    material: Material
    samples: Sequence[PairedSample]
    hashes: Mapping[tuple[str, str], str]  # (modality, id) -> sha256 of the file
    left_out: Sequence[Problem]

    @property
    def name(self) -> str:
        """The name of the data set, which is that of its folder."""
        return self.options.name or self.builder.name

    @property
    def title(self) -> str:
        """The title of the data set."""
        return self.options.title or self.options.name or self.builder.title

    @property
    def noun(self) -> str:
        """The noun for its rows in messages."""
        return "pairs" if len(self.material.corpora) == 2 else "samples"

    @property
    def given_splits(self) -> bool:
        """Whether the user's folders give the splits."""
        return self.builder.own_files and self.material.given_splits


def prepare(builder: Builder, options: Options, workers: int, skip_bad: bool) -> Prepared:
    """Read the sources, pair their items, and check every file that is used.

    Args:
        builder: of the data set.
        options: of the user.
        workers: number of processes.
        skip_bad: leave out files that cannot be used.

    Raises UserError that names every file that cannot be used, unless they are left out.
    """
    if not builder.own_files and options.pair not in (None, "index"):
        raise UsageError(f"--pair {options.pair} goes with avbuild make folder; {builder.name} takes --pair index only")
    material = read_sources(builder, options)
    refuse_pairs_by_index_alone(material.match, options)
    problems = [problem for corpus in material.corpora for problem in corpus.problems]
    hashes: dict[tuple[str, str], str] = {}
    while True:
        samples = _pair(builder, material, options, problems, skip_bad)
        checked = [] if builder.synthetic else check(_unchecked(samples, hashes), workers)
        hashes |= {(found.modality, found.id): found.sha256 for found in checked}
        bad = [found for found in checked if found.problem]
        problems += [found.problem for found in bad if found.problem]
        if problems and not skip_bad:
            raise UnusableFiles(problems, _advice(material))
        if not bad:
            unwanted = [problem for corpus in material.corpora for problem in corpus.unwanted]
            unwanted += _not_used(builder, material, samples, options)
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
            raise UnusableFiles(problems, _advice(material)) from None
        raise
    if not samples and not problems:
        raise UserError("no sample can be made: the sources hold no usable audio clip with a usable partner")
    return samples


def _not_used(builder: Builder, material: Material, samples: Sequence[PairedSample], options: Options) -> list[Problem]:
    """Return the user's own files that are in no sample, with the reason; those over --limit are not named."""
    if not builder.own_files or options.limit is not None:
        return []
    used = {(item.modality, item.id) for sample in samples for item in sample.items}
    reason = (
        "not needed: all others of its class and split are used as often"
        if material.partner_classes
        else ("its partner cannot be used")
    )
    items = [item for corpus in material.corpora for item in corpus.items]
    return [Problem(item.media.name, reason) for item in items if (item.modality, item.id) not in used]


def _unchecked(samples: Sequence[PairedSample], hashes: Mapping[tuple[str, str], str]) -> list[SourceItem]:
    """Return the items that are used and not checked yet, one modality after the other."""
    by_modality = zip(*(sample.items for sample in samples), strict=True)
    items = {(item.modality, item.id): item for items in by_modality for item in items}
    return [item for key, item in items.items() if key not in hashes]


def _advice(material: Material) -> list[str]:
    return [corpus.advice for corpus in material.corpora if corpus.advice]


def _report(problems: Sequence[Problem], advice: Sequence[str]) -> str:
    """Return the error for files that cannot be used, which fits on a screen."""
    kinds = Counter(_kind(problem) for problem in problems)
    summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(MOST_KINDS))
    shown = listed(problems, MOST_FILES if len(problems) > 2 * MOST_FILES else len(problems))
    folders = f"in these folders:\n{_by_folder(problems)}\n" if len(problems) > 2 * MOST_FILES else ""
    return (
        f"{len(problems):,} files cannot be used:\n{shown}\n{folders}"
        f"{len(problems):,} files cannot be used ({summary}); nothing was written. "
        + "".join(f"{line}. " for line in advice)
        + "Repair them, or leave them out with --skip-bad, which lists all of them in build.json."
    )


def _kind(problem: Problem) -> str:
    return problem.what.split(":", 1)[0]


def _by_folder(problems: Sequence[Problem]) -> str:
    """Return the number of files of each kind in each folder."""
    counts = Counter((str(Path(problem.path).parent), _kind(problem)) for problem in problems)
    ordered = sorted(counts.items(), key=lambda entry: (_natural(entry[0][0]), entry[0][1]))
    return listed([f"{folder}: {count:,} {kind}" for (folder, kind), count in ordered], MOST_FILES)


def _natural(path: str) -> list[tuple[int, str]]:
    """Return a key that sorts fold2 before fold10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", path)]
