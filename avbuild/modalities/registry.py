"""All modalities by name, in the order of a data set's columns."""

from collections.abc import Iterable, Mapping

from avbuild.modalities.audio import AUDIO
from avbuild.modalities.base import Modality
from avbuild.modalities.image import IMAGE
from avbuild.modalities.text import TEXT
from avbuild.modalities.video import VIDEO

MODALITIES: Mapping[str, Modality] = {modality.name: modality for modality in (AUDIO, IMAGE, VIDEO, TEXT)}
FAMILIES = tuple(dict.fromkeys(modality.family for modality in MODALITIES.values()))  # that have corruptions


def modalities_of(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the modalities of a data set, in order, from the names of its columns."""
    there = set(columns)
    return tuple(name for name in MODALITIES if name in there)
