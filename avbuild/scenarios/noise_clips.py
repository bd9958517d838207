"""A folder of noise recordings, which `ambient_noise` draws from."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError, listed
from avbuild.modalities.audio import read_audio
from avbuild.modalities.base import Samples, Unreadable
from avbuild.scenarios.seeding import digest

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")


@dataclass(frozen=True, slots=True)
class NoiseClips:
    """Audio files in the order of their names, so that draws do not depend on where the folder is."""

    files: tuple[Path, ...]
    content: str  # hash of all names and bytes

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> Samples:
        """Return one recording, 16 kHz mono, float32 [samples]."""
        return _read(self.files[index])


@functools.lru_cache(maxsize=8)
def noise_clips(folder: str) -> NoiseClips:
    """Return all audio files below a folder, as recordings to use as noise.

    Args:
        folder: local path.

    Raises UserError where there are none, or naming all that do not decode.
    """
    root = Path(folder)
    files = tuple(sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES))
    if not files:
        raise UserError(f"{folder}: no noise clips; put {', '.join(SUFFIXES)} files there")
    problems = []
    for path in files:
        try:
            read_audio(path.read_bytes())
        except (Unreadable, OSError) as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise UserError(f"{folder}: {len(problems)} noise clips cannot be read\n{listed(problems)}")
    content = [(path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return NoiseClips(files, digest(content))


@functools.lru_cache(maxsize=64)
def _read(path: Path) -> Samples:
    return read_audio(path.read_bytes())
