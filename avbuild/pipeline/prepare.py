"""Prepare a data set before anything is written: read the sources, pair their items, check every file that is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.errors import UsageError, UserError
from avbuild.pipeline.check import check
from avbuild.pipeline.pairing import pair_samples, refuse_pairs_by_index_alone
from avbuild.pipeline.partners import PairedSample
from avbuild.pipeline.unusable import UnusableFiles
from avbuild.sources.builder import Builder
from avbuild.sources.corpus import Material, Problem, SourceItem
from avbuild.sources.options import Options
from avbuild.sources.registry import read_sources


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
        """Whether the source gives the splits."""
        return self.builder.follows(self.material)


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
    if material.faults:
        found = [*material.faults, *([] if skip_bad else problems)]
        kinds = " and ".join(dict.fromkeys(fault.what.split(":", 1)[0] for fault in material.faults))
        raise UnusableFiles(found, (), builder.unit, f"Repair them; --skip-bad cannot leave these out: {kinds}.")
    hashes: dict[tuple[str, str], str] = {}
    while True:
        samples = _pair(builder, material, options, problems, skip_bad)
        checked = [] if builder.synthetic else check(_unchecked(samples, hashes), workers)
        hashes |= {(found.modality, found.id): found.sha256 for found in checked}
        bad = [found for found in checked if found.problem]
        problems += [found.problem for found in bad if found.problem]
        if problems and not skip_bad:
            raise UnusableFiles(problems, _advice(material), builder.unit)
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
            raise UnusableFiles(problems, _advice(material), builder.unit) from None
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
    return [
        Problem(item.where or item.media.name, reason)
        for item in items
        if item.present and (item.modality, item.id) not in used
    ]


def _unchecked(samples: Sequence[PairedSample], hashes: Mapping[tuple[str, str], str]) -> list[SourceItem]:
    """Return the items that are used and not checked yet, one modality after the other."""
    by_modality = zip(*(sample.items for sample in samples), strict=True)
    items = {(item.modality, item.id): item for items in by_modality for item in items if item.present}
    return [item for key, item in items.items() if key not in hashes]


def _advice(material: Material) -> list[str]:
    return [corpus.advice for corpus in material.corpora if corpus.advice]
