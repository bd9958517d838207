"""The demo corpus: audio and images are synthesised, so that nothing is downloaded and nothing can be missing."""

import io
from dataclasses import dataclass

import soundfile

from avbuild.modalities.audio import SAMPLE_RATE
from avbuild.modalities.image import encode_image
from avbuild.scenarios.seeding import rng_for
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Corpus, Credit, Material, SourceItem
from avbuild.sources.demo_audio import synthesise_clip
from avbuild.sources.demo_audio_classes import AUDIO_CLASSES
from avbuild.sources.demo_images import draw_image
from avbuild.sources.options import Options

VERSION = 1  # raise it when audio or images change: it distinguishes builds
CREDIT = Credit(
    name=f"demo corpus {VERSION}, synthesised by avbuild",
    licence="Apache-2.0",
    homepage="",
    citation="this software, see CITATION.cff",
)
PER_CLASS = 120
SLICES = 2  # clips per recording
FOLDS = 10


@dataclass(frozen=True, slots=True)
class DemoClip:
    """An audio clip of a class; slices of one recording share source, room and street noise."""

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
        """Return the clip as 16-bit WAV."""
        recording = rng_for(seed=self.seed, scenario="demo", sample=self.recording, modality="audio", op="recording")
        piece = rng_for(seed=self.seed, scenario="demo", sample=self.name, modality="audio", op="slice")
        sink = io.BytesIO()
        samples = synthesise_clip(self.label, recording, piece)
        soundfile.write(sink, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        return sink.getvalue()


@dataclass(frozen=True, slots=True)
class DemoImage:
    """An image of a class."""

    label: str
    index: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.label}-{self.index:04d}.png"

    def read(self) -> bytes:
        """Return the image as PNG."""
        rng = rng_for(seed=self.seed, scenario="demo", sample=self.name, modality="image", op="picture")
        return encode_image(draw_image(self.label, rng))


def demo_corpora(seed: int, per_class: int) -> tuple[Corpus, Corpus]:
    """Return ten classes of audio and images; a clip and an image of equal id are a pair.

    Args:
        seed: of all items.
        per_class: number of clips, and of images, of each class.
    """
    classes = tuple(AUDIO_CLASSES)
    clips, images = [], []
    for label in classes:
        for index in range(per_class):
            id, clip = f"{label}-{index:04d}", DemoClip(label, index, seed)
            fold = index // SLICES % FOLDS + 1
            clips.append(SourceItem("audio", id, label, clip, clip.recording, fold))
            images.append(SourceItem("image", id, label, DemoImage(label, index, seed), clip.recording, fold))
    return Corpus("audio", CREDIT, classes, tuple(clips)), Corpus("image", CREDIT, classes, tuple(images))


def read_demo_av(options: Options, _: AnyCorpus) -> Material:
    """Return the audio and images of the demo."""
    audio, images = demo_corpora(options.seed, PER_CLASS)
    return Material((audio, images), audio.classes)


BUILDER = Builder(
    name="demo-av",
    title="Demo-AV",
    needs="nothing: synthesised",
    licence="Apache-2.0",
    read=read_demo_av,
    options=frozenset({"folds"}),
    examples=("avbuild make demo-av --out demo/",),
    severity=5,  # its images are small, so that CIFAR-10-C's milder levels apply
    synthetic=True,
)
