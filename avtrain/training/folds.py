"""Cross-validation over the folds of a data set: each fold is tested once, by a run trained on the others."""

import re

from avbuild.dataset.build_record import FILE_NAME, read_build
from avbuild.dataset.storage import Folder
from avbuild.errors import UsageError
from avbuild.scenarios.manifest import FoldSplit, Manifest, SplitSpec
from avtrain.data.shards import count_rows, split_keys

ALL = "all"


def find_folds(manifest: Manifest, asked: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return all folds of a data set, and those to train.

    Args:
        manifest: names the data set.
        asked: value of --folds: `all`, or some numbers, such as 1,2.

    Raises:
        UsageError: the data set has no folds, not all of them, or not those asked for.
        UserError: it is absent, incomplete or damaged.
    """
    if asked != ALL and not re.fullmatch(r"[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*", asked.replace(" ", "")):
        raise UsageError(f"--folds {asked}: write all, or numbers such as 1,2,3")
    keys = split_keys(manifest)
    if not keys:
        count_rows(manifest, ["train"])  # explains what is absent
    without = sum(1 for key in keys if key.fold == 0)
    folds = tuple(sorted({key.fold for key in keys if key.fold}))
    if without or len(folds) < 2:
        has = f"{without:,} of its {len(keys):,} rows have no fold" if without else f"it has fold {folds[0]} alone"
        raise UsageError(
            f"--folds {asked}: {manifest.dataset} cannot be cross-validated: {has}. Folds come from the publisher of "
            "the source (UrbanSound8K, ESC-50); without them, train with several --seeds"
        )
    if asked == ALL:
        _require_all(manifest, folds)
        return folds, folds
    chosen = tuple(dict.fromkeys(int(number) for number in asked.split(",")))
    if unknown := [str(fold) for fold in chosen if fold not in folds]:
        has = ", ".join(map(str, folds))
        raise UsageError(f"--folds {asked}: no fold {', '.join(unknown)} in {manifest.dataset}; it has {has}")
    return folds, chosen


def of_fold(manifest: Manifest, fold: int) -> Manifest:
    """Return a manifest whose split tests one fold, and validates on whole groups of an eighth of the others.

    It replaces the manifest's own split.
    """
    split = SplitSpec(protocol="fold", fold=FoldSplit(test=fold))
    return manifest.model_copy(update={"split": split})


def _require_all(manifest: Manifest, folds: tuple[int, ...]) -> None:
    """Refuse a data set that was made of some folds only: its mean over folds would not be the publisher's."""
    folder = Folder(manifest.dataset)
    if not folder.exists(FILE_NAME):
        return  # not made by avbuild: all there is are the rows
    made_of = read_build(folder).recipe.get("folds")
    if made_of is not None:
        listed = ",".join(map(str, folds))
        raise UsageError(
            f"--folds all: {manifest.dataset} was made with --folds {made_of}, which leaves out rows of other folds "
            f"and recordings that are in fold {str(made_of).rsplit(',', 1)[-1]} too. Make it without --folds, or name "
            f"the folds to cross-validate over what there is: --folds {listed}"
        )
