"""Which data set a command is about when it is not told."""

from pathlib import Path

from avbuild.errors import UsageError, listed


def only_data_set() -> str:
    """The one under data/.  Raises UsageError where there is none, or several."""
    found = sorted(path.parent for path in Path("data").glob("*/build.json"))
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise UsageError("no data set under data/; make one (avbuild make demo-av --out data/) or say --data FOLDER")
    raise UsageError(f"several data sets under data/; say which with --data:\n{listed(found)}")


def data_option(url: str) -> str:
    """`--data URL`, or nothing where the command would find it by itself."""
    found = list(Path("data").glob("*/build.json"))
    return "" if len(found) == 1 and Path(url).resolve() == found[0].parent.resolve() else f" --data {url}"
