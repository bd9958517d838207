"""The data sets that `avbuild make` knows: what each reads, and how its clips and pictures find each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from avbuild.dataset.shards import PAIRS_PER_SHARD
from avbuild.errors import UsageError
from avbuild.pipeline.material import Material, pair_by_clip, pair_by_picture
from avbuild.pipeline.pairing import Pair
from avbuild.sources.labelmap import ClassMatch, load_label_map, match_classes, shipped_label_map
from avbuild.sources.options import Options

DEMO_PER_CLASS = 120


@dataclass(frozen=True, slots=True)
class Builder:
    """One data set that can be made."""

    name: str
    title: str
    needs: str
    licence: str
    read: Callable[[Options], Material]
    pair: Callable[[Material, Options], list[Pair]]
    visual: Literal["image", "video"] = "image"  # what stands beside the sound
    severity: int = 3  # of its default scenarios
    rows_per_shard: int = PAIRS_PER_SHARD
    synthetic: bool = False  # its media are computed, so there is nothing to check


def read_urbansound8k_av(options: Options) -> Material:
    """UrbanSound8K's clips, and pictures from anywhere or from the release by Guo et al."""
    from avbuild.sources.kaggle import read_kaggle
    from avbuild.sources.locate import find_source, urbansound8k_table
    from avbuild.sources.pictures import read_pictures
    from avbuild.sources.urbansound8k import read_urbansound8k

    if options.layout == "kaggle":
        if options.audio_root is None:
            raise UsageError("--layout kaggle needs --audio-root: the folder that holds Dataset_v3_sound/")
        audio, pictures = read_kaggle(options.audio_root, urbansound8k_table(options.sources))
        return Material(audio, pictures, audio.classes, {})
    root = options.audio_root or find_source("urbansound8k", options.sources, options.offline)
    audio = read_urbansound8k(root, options.folds or None)
    pictures = read_pictures(options.images, options.sources, options.offline)
    return Material(audio, pictures, audio.classes, _match(audio.classes, pictures.classes, "urbansound8k", options))


def read_cifar10_av(options: Options) -> Material:
    """CIFAR-10's pictures, and clips of UrbanSound8K, ESC-50 or any folder of class folders."""
    from avbuild.sources.locate import find_source
    from avbuild.sources.pictures import read_pictures
    from avbuild.sources.recordings import read_audio

    root = options.audio_root or find_source("urbansound8k", options.sources, options.offline)
    audio = read_audio(root, options.folds or None)
    pictures = read_pictures(options.images, options.sources, options.offline)
    return Material(audio, pictures, pictures.classes, _match(pictures.classes, audio.classes, "cifar10", options))


def read_demo_av(options: Options) -> Material:
    """Sounds and pictures that the project computes itself."""
    from avbuild.sources.demo import demo_corpora

    audio, pictures = demo_corpora(options.seed, DEMO_PER_CLASS)
    return Material(audio, pictures, audio.classes, {})


def read_crema_d_av(options: Options) -> Material:
    """CREMA-D's clips, each with its own video."""
    from avbuild.modalities.video import FPS, require_pyav
    from avbuild.sources.crema_d import read_crema_d
    from avbuild.sources.crema_d_lists import follow, read_lists
    from avbuild.sources.locate import find_source

    require_pyav()  # before anything is read
    root = options.audio_root or find_source("crema-d", options.sources, options.offline)
    audio, videos = read_crema_d(root, options.fps or FPS)
    if options.lists is not None:
        audio = follow(read_lists(options.lists), audio)
    return Material(audio, videos, audio.classes, {})


def _match(
    targets: tuple[str, ...], partners: tuple[str, ...], target_corpus: str, options: Options
) -> Mapping[str, ClassMatch]:
    if options.label_map is not None:
        fits: Mapping[str, tuple[str, ...]] = load_label_map(options.label_map, targets, partners)
    else:
        fits = shipped_label_map(target_corpus, partners)
    return match_classes(targets, partners, fits)


BUILDERS = {
    builder.name: builder
    for builder in (
        Builder(
            name="urbansound8k-av",
            title="UrbanSound8K-AV",
            needs="UrbanSound8K (6 GB) and pictures: CIFAR-10 (170 MB), a folder, or a Hugging Face data set",
            licence="CC BY-NC 3.0 (sounds); pictures as their source",
            read=read_urbansound8k_av,
            pair=pair_by_clip,
        ),
        Builder(
            name="cifar10-av",
            title="CIFAR10-AV",
            needs="CIFAR-10 (170 MB) and sounds: UrbanSound8K (6 GB), ESC-50 (600 MB) or a folder",
            licence="none stated (CIFAR-10); sounds as their source",
            read=read_cifar10_av,
            pair=pair_by_picture,
        ),
        Builder(
            name="crema-d",
            title="CREMA-D",
            needs="CREMA-D, cloned with Git LFS (AudioWAV/ and VideoFlash/), and the extra video, which is PyAV",
            licence="ODbL 1.0 (data base), DbCL 1.0 (contents)",
            read=read_crema_d_av,
            pair=pair_by_clip,
            visual="video",
            rows_per_shard=64,  # frames are large
        ),
        Builder(
            name="demo-av",
            title="Demo-AV",
            needs="nothing: synthesised",
            licence="Apache-2.0",
            read=read_demo_av,
            pair=pair_by_clip,
            severity=5,  # its pictures are small, so their levels are CIFAR-10-C's mild ones
            synthetic=True,
        ),
    )
}
