"""Sounds of any corpus that its layout tells apart."""

from collections.abc import Sequence
from pathlib import Path

from avbuild.errors import UsageError
from avbuild.sources.corpus import AudioCorpus
from avbuild.sources.esc50 import is_esc50, read_esc50
from avbuild.sources.folders import read_audio_folder
from avbuild.sources.urbansound8k import is_urbansound8k, read_urbansound8k


def read_audio(root: Path, folds: Sequence[int] | None = None) -> AudioCorpus:
    """UrbanSound8K, ESC-50, or a folder of class folders, whichever lies there."""
    if is_urbansound8k(root):
        return read_urbansound8k(root, folds)
    if is_esc50(root):
        return read_esc50(root, folds)
    if folds is not None:
        raise UsageError(f"--folds: {root} is a folder of class folders, which has none")
    return read_audio_folder(root)
