"""Plug-in files for tests: a corruption, and what can be wrong with a file."""

from pathlib import Path

DROPOUTS = '''
import numpy as np
from avbuild.corruptions.registry import audio_corruption

@audio_corruption(version=1, severities=(0.1, 0.2, 0.3, 0.4, 0.5), within=(0.0, 1.0))
def dropouts(audio, rate, rng):
    """Set random samples to zero."""
    return np.where(rng.random(audio.shape) < rate, np.float32(0), audio)
'''

DOUBTFUL = '''
from avtrain.methods.late_fusion import LateFusion

class Doubtful(LateFusion):
    """Halve the scores of late fusion."""

    name = "doubtful"
    source = "a test"

    def forward(self, batch):
        found = super().forward(batch)
        return type(found)(found.logits / 2, found.per_modality)
'''


def write_plugin(folder: Path, code: str = DROPOUTS, name: str = "my_ops.py") -> Path:
    """Write a plug-in file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(code)
    return folder / name


def write_manifest(folder: Path, dataset: Path) -> Path:
    """Write a manifest with the scenarios C, S (dropouts) and D, on a data set."""
    path = folder / "dropouts.yaml"
    path.write_text(
        f"manifest: 1\nname: dropouts\ndataset: {dataset}\nscenarios:\n"
        "  C: {}\n  S: {audio: {chain: [dropouts], severity: 3}}\n"
        "  N: {audio: {chain: [gaussian_noise], severity: 3}}\n"
    )
    return path
