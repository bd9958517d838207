"""Weights that training does not change, stored once for many runs: each run's folder has a link to the same file.

A link is a file like any other: it is read, copied and uploaded with its run, and stays when other runs are deleted.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from avbuild.dataset.storage import partial_name, write_whole, writing
from avtrain.runs.sealed import sealed_tensors

FILE = "frozen.safetensors"


def link_frozen_weights(store: Path, name: str, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Put a file of frozen weights into a run's folder, as a link to the one in a store where the disk can do so.

    Args:
        store: folder of such files; the file is written there where it is not yet.
        name: digest of the weights, which names the file.
        weights: by their names in the method.
        folder: of the run.

    Raises:
        UserError: a file cannot be written.
    """
    kept, target = store / f"{name}.safetensors", folder / FILE
    if not kept.exists():
        write_whole(kept, sealed_tensors(weights), partial_name(kept.name, os.getpid()))
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(partial_name(FILE, os.getpid()))
        partial.unlink(missing_ok=True)
        linked = False
        with suppress(OSError):  # no links on this disk, or none across disks
            os.link(kept, partial)
            linked = True
        if not linked:
            shutil.copyfile(kept, partial)
        partial.replace(target)
