"""The demo's audio and images: the same bytes everywhere, ten classes, variation inside each class."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from avbuild.sources.demo import DemoClip, DemoImage, demo_corpora
from avbuild.sources.demo_audio_classes import AUDIO_CLASSES
from avbuild.sources.demo_drawings import DRAWINGS


def test_audio_and_images_have_the_same_ten_classes() -> None:
    assert tuple(AUDIO_CLASSES) == tuple(DRAWINGS)
    assert len(AUDIO_CLASSES) == 10
    audio, images = demo_corpora(seed=0, per_class=4)
    assert [clip.id for clip in audio.items] == [image.id for image in images.items]


@pytest.mark.parametrize("label", AUDIO_CLASSES)
def test_a_clip_is_one_to_two_seconds_long_and_not_silent(label: str) -> None:
    for index in range(4):
        samples, rate = soundfile.read(io.BytesIO(DemoClip(label, index, 0).read()))
        assert rate == 16_000
        assert 16_000 <= samples.size <= 32_000
        assert 0.1 < np.abs(samples).max() < 1


@pytest.mark.parametrize("label", DRAWINGS)
def test_an_image_is_32_px_and_not_uniform(label: str) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(DemoImage(label, 0, 0).read())))
    assert pixels.shape == (32, 32, 3)
    assert pixels.std() > 5


@pytest.mark.parametrize("kind", [DemoClip, DemoImage])
def test_no_two_items_are_equal(kind: type[DemoClip] | type[DemoImage]) -> None:
    files = {kind(label, index, seed).read() for label in AUDIO_CLASSES for index in range(3) for seed in (0, 1)}
    assert len(files) == 10 * 3 * 2


def test_another_process_synthesises_the_same_bytes() -> None:
    code = (
        "import hashlib, numpy; numpy.random.seed(5)\n"
        "from avbuild.sources.demo import *\n"
        "print(hashlib.sha256(DemoClip('siren', 3, 0).read() + DemoImage('siren', 3, 0).read()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    own = hashlib.sha256(DemoClip("siren", 3, 0).read() + DemoImage("siren", 3, 0).read()).hexdigest()
    assert other == own


def test_slices_of_a_recording_share_group_and_fold() -> None:
    audio, _ = demo_corpora(seed=0, per_class=4)
    groups = [clip.group for clip in audio.items[:4]]
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert audio.items[0].fold == audio.items[1].fold
