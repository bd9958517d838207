"""Read audio from any supported corpus, recognised by its layout on disk."""

from avbuild.errors import UsageError
from avbuild.sources.corpus import Corpus
from avbuild.sources.esc50 import is_esc50, read_esc50
from avbuild.sources.folders import read_audio_folder
from avbuild.sources.locate import find_source
from avbuild.sources.options import Options
from avbuild.sources.urbansound8k import DOWNLOAD, is_urbansound8k, read_urbansound8k


def read_any_audio(options: Options) -> Corpus:
    """Read UrbanSound8K, ESC-50 or class folders, whichever is at --audio-root; UrbanSound8K where no folder is given.

    Args:
        options: of the build; `audio_root`, `sources`, `offline` and `folds` are used.

    Raises UserError where nothing can be read, UsageError for folds of a corpus that has none.
    """
    root = options.audio_root or find_source(DOWNLOAD, options.sources, options.offline)
    folds = options.folds or None
    if is_urbansound8k(root):
        return read_urbansound8k(root, folds)
    if is_esc50(root):
        return read_esc50(root, folds)
    if folds is not None:
        raise UsageError(f"--folds: {root} is a folder of class folders, which has none")
    return read_audio_folder(root)
