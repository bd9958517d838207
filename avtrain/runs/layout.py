"""The place of runs: OUT/NAME/seed0, or OUT/NAME/fold3/seed0 in a cross-validation, with OUT/features beside them."""

import re
from pathlib import Path

SEED, FOLD = re.compile(r"seed[0-9]+"), re.compile(r"fold[0-9]+")
FEATURES = "features"  # folder of the cache, beside the folders of the runs


def run_folder(name: Path, seed: int, fold: int | None = None) -> Path:
    """Return the folder of one run.

    Args:
        name: folder of all runs that differ only in seed and fold, such as runs/demo-finetune-tiny.
        seed: of the run.
        fold: that the run is tested on; None where it is no part of a cross-validation.
    """
    return (name if fold is None else name / f"fold{fold}") / f"seed{seed}"


def siblings_folder(run: Path) -> Path:
    """Return the folder of the runs that differ from this one only in seed and fold.  run: its folder."""
    parent = run.absolute().parent
    return parent.parent if FOLD.fullmatch(parent.name) else parent


def run_label(run: Path) -> str:
    """Return the name of a run for tables: NAME/seed0 or NAME/fold3/seed0.  run: its folder."""
    siblings = siblings_folder(run)
    return run.absolute().relative_to(siblings.parent).as_posix()


def features_beside(run: Path) -> Path | None:
    """Return the cache that belongs to a run: the one that is there, or where `avtrain fit` would put it.

    Args:
        run: its folder.

    Returns:
        None for a run that stands alone, such as one that was copied to another machine.
    """
    siblings = siblings_folder(run)
    for folder in (siblings.parent, siblings):
        if (folder / FEATURES).is_dir():
            return folder / FEATURES
    standard = SEED.fullmatch(run.name) and siblings.parent != siblings.parent.parent
    return siblings.parent / FEATURES if standard else None
