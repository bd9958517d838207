"""Load the front matter of a card as the `datasets` library of a user does, without avbuild."""

import contextlib
import tempfile
from collections.abc import Iterator

import yaml

from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.damage import first_line
from avbuild.dataset.storage import Folder
from avbuild.escaping import visible

# what the library raises for front matter that it cannot use
DAMAGED_CARD = (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError, yaml.YAMLError)


def stock_problems(folder: Folder, build: BuildRecord) -> Iterator[str]:
    """Yield every scenario that `datasets.load_dataset` would not load as `build.json` records it.

    No shard is opened.

    Args:
        folder: of the data set; must be local.
        build: its record.
    """
    import datasets

    card = folder.path("README.md")
    with tempfile.TemporaryDirectory(prefix="avbuild-") as cache, _silent():
        for name, record in build.scenarios.items():
            try:
                builder = datasets.load_dataset_builder(folder.url, name, cache_dir=cache)
            except DAMAGED_CARD as error:
                yield f"{card}: datasets cannot load config {name}: {visible(first_line(error))}"
                continue
            files = {str(split): len(paths) for split, paths in (builder.config.data_files or {}).items()}
            expected = {str(split): len(made.shards) for split, made in record.splits.items()}
            if files != expected:
                yield f"{card}: datasets finds {_counts(files)} for config {name}, where there are {_counts(expected)}"


def _counts(files: dict[str, int]) -> str:
    return ", ".join(f"{count} {split} shards" for split, count in files.items()) or "no shards"


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep progress bars and warnings of `datasets` off the terminal inside the block."""
    import datasets.utils.logging as log
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    level, bars = log.get_verbosity(), not are_progress_bars_disabled()
    log.set_verbosity_error()
    disable_progress_bars()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            enable_progress_bars()
