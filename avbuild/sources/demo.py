"""The demo's corpora: computed, so nothing is downloaded and nothing can be missing."""

import io
from dataclasses import dataclass

import soundfile

from avbuild.modalities.media import SAMPLE_RATE, encode_image
from avbuild.scenarios.seeding import rng_for
from avbuild.sources.corpus import AudioCorpus, Clip, Credit, Picture, PictureCorpus
from avbuild.sources.demo_pictures import picture
from avbuild.sources.demo_sounds import SOUNDS, sound

VERSION = 1  # raise it when sounds or pictures change: it is what tells a build from an older one
CREDIT = Credit(
    name=f"demo corpus {VERSION}, synthesised by avbuild",
    licence="Apache-2.0",
    homepage="",
    citation="this software, see CITATION.cff",
)
SLICES = 2  # clips a recording
FOLDS = 10


@dataclass(frozen=True, slots=True)
class DemoClip:
    """A sound of a class; slices of one recording share their source, room and street."""

    label: str
    index: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.label}-{self.index:04d}.wav"

    @property
    def recording(self) -> str:
        return f"{self.label}-recording-{self.index // SLICES:04d}"

    def read(self) -> bytes:
        """The sound as 16-bit WAV."""
        recording = rng_for(seed=self.seed, scenario="demo", sample=self.recording, modality="audio", op="recording")
        piece = rng_for(seed=self.seed, scenario="demo", sample=self.name, modality="audio", op="slice")
        sink = io.BytesIO()
        samples = sound(self.label, recording, piece)
        soundfile.write(sink, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        return sink.getvalue()


@dataclass(frozen=True, slots=True)
class DemoPicture:
    """A picture of a class."""

    label: str
    index: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.label}-{self.index:04d}.png"

    def read(self) -> bytes:
        """The picture as PNG."""
        rng = rng_for(seed=self.seed, scenario="demo", sample=self.name, modality="image", op="picture")
        return encode_image(picture(self.label, rng))


def demo_corpora(seed: int, per_class: int) -> tuple[AudioCorpus, PictureCorpus]:
    """Ten classes of sounds and of pictures; those of equal id belong together."""
    classes = tuple(SOUNDS)
    clips, pictures = [], []
    for label in classes:
        for index in range(per_class):
            id, clip = f"{label}-{index:04d}", DemoClip(label, index, seed)
            clips.append(Clip(id, label, clip.recording, index // SLICES % FOLDS + 1, clip))
            pictures.append(Picture(id, label, None, DemoPicture(label, index, seed)))
    return AudioCorpus(CREDIT, classes, tuple(clips)), PictureCorpus(CREDIT, classes, tuple(pictures))
