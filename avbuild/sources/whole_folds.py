"""Say which folds of a published corpus are whole, where files of others are missing."""

from collections.abc import Iterable


def advice_on_folds(present: Iterable[int], missing: Iterable[int]) -> str:
    """Return the advice to build from the whole folds alone, or nothing where there is none to give.

    Args:
        present: fold of every file that is there.
        missing: fold of every file that is not.
    """
    lacking = set(missing)
    whole = sorted(set(present) - lacking)
    if not lacking or not whole:
        return ""
    named = ",".join(map(str, whole))
    if len(whole) == 1:
        return f"Only fold {named} is whole, and --folds needs two: one to train and one to test"
    return f"Folds {named} are whole: --folds {named} builds from them alone (the last one is for test)"
