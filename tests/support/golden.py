"""Golden hashes of what corruptions make of fixed signals. `python -m tests.support.golden` rewrites them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from avbuild.corruptions import CORRUPTIONS, Corruption
from avbuild.corruptions.registry import SEVERITIES
from avbuild.modalities.base import Samples, Signal
from avbuild.scenarios.seeding import rng_for

CODECS = ("opus", "vorbis", "mp3")  # their bytes depend on the version of libsndfile and on the kind of processor


class FixedClips:
    """Two recordings computed by integer arithmetic."""

    def __len__(self) -> int:
        return 2

    def read(self, index: int) -> Samples:
        return ((np.arange(5_000) * (7919 + 2 * index) % 17_389 - 8_694) / 32_768).astype(np.float32)


TEXT = (
    'On 12 May 1907 Dr. Klein\'s "modern" mill burnt down: nobody was hurt, but all 350 sacks of corn were lost!\n'
    "Die Mühle am Fluß gehörte der Stadt; c'était l'été. Сегодня пожара нет, 물레방아는 다시 돈다 👩‍👩‍👧 🇰🇷 नमस्ते."
)


def apply(corruption: Corruption, signal: Signal, level: tuple[float, ...], rng: np.random.Generator) -> Signal:
    """Apply a corruption, with recordings as noise where it needs them."""
    resources = {"clips": FixedClips()} if corruption.needs_clips else {}
    return corruption.apply(signal, level, rng, **resources)


def example(corruption: Corruption) -> Signal:
    """Return the fixed text, or a fixed clip or image, or features of one, computed by integer arithmetic alone."""
    if corruption.modality == "text":
        return TEXT
    clip = ((np.arange(16_000) * 7919 % 20_011 - 10_005) / 32_768).astype(np.float32)
    image = (np.arange(96 * 80 * 3) * 7919 % 251).astype(np.uint8).reshape(96, 80, 3)
    if corruption.domain == "feature":
        spectrogram, normalised = clip[:8_000].reshape(100, 80), clip[:3_072].reshape(3, 32, 32)
        return 8 * (spectrogram if corruption.modality == "audio" else normalised)
    return clip if corruption.modality == "audio" else image


def golden(corruption: Corruption) -> list[str]:
    """Return a hash for each severity."""
    signal, found = example(corruption), []
    for severity in SEVERITIES:
        rng = rng_for(seed=0, scenario="A", sample="a", modality="audio", op=0)
        result = apply(corruption, signal, corruption.level(severity, signal), rng)
        if isinstance(result, str):
            found.append(hashlib.sha256(result.encode()).hexdigest()[:12])
            continue
        if result.dtype == np.float32:  # a clip as stored: 16 bits
            result = np.rint(result * 32_768).astype(np.int32)
        found.append(hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest()[:12])
    return found


def loudness(corruption: Corruption) -> list[list[float]]:
    """Return for each severity the level of ten equal parts of a corrupted clip, in dB of full scale."""
    signal, found = example(corruption), []
    for severity in SEVERITIES:
        rng = rng_for(seed=0, scenario="A", sample="a", modality="audio", op=0)
        parts = np.array_split(
            apply(corruption, signal, corruption.level(severity, signal), rng).astype(np.float64), 10
        )
        found.append([round(10 * float(np.log10(np.mean(np.square(part)) + 1e-10)), 3) for part in parts])
    return found


if __name__ == "__main__":
    hashes: dict[str, Any] = {"libsndfile": soundfile.__libsndfile_version__}
    hashes |= {f"loudness/{name}": loudness(CORRUPTIONS["audio"][name]) for name in CODECS}
    for modality, corruptions in CORRUPTIONS.items():
        hashes |= {f"{modality}/{name}/{c.version}": golden(c) for name, c in corruptions.items()}
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(hashes[key])}" for key in sorted(hashes))
    (Path(__file__).parent / "golden_corruptions.json").write_text(f"{{\n{lines}\n}}\n")
