"""The demo's sounds and pictures: the same bytes everywhere, ten classes, variation inside each."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from avbuild.sources.demo import DemoClip, DemoImage, demo_corpora
from avbuild.sources.demo_audio import SOUNDS
from avbuild.sources.demo_images import PICTURES


def test_sounds_and_pictures_have_the_same_ten_classes() -> None:
    assert tuple(SOUNDS) == tuple(PICTURES)
    assert len(SOUNDS) == 10
    audio, pictures = demo_corpora(seed=0, per_class=4)
    assert [clip.id for clip in audio.items] == [picture.id for picture in pictures.items]


@pytest.mark.parametrize("label", SOUNDS)
def test_a_sound_is_one_to_two_seconds_and_never_silent(label: str) -> None:
    for index in range(4):
        samples, rate = soundfile.read(io.BytesIO(DemoClip(label, index, 0).read()))
        assert rate == 16_000
        assert 16_000 <= samples.size <= 32_000
        assert 0.1 < np.abs(samples).max() < 1


@pytest.mark.parametrize("label", PICTURES)
def test_a_picture_is_small_and_colourful(label: str) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(DemoImage(label, 0, 0).read())))
    assert pixels.shape == (32, 32, 3)
    assert pixels.std() > 5


@pytest.mark.parametrize("kind", [DemoClip, DemoImage])
def test_no_two_are_alike(kind: type[DemoClip] | type[DemoImage]) -> None:
    made = {kind(label, index, seed).read() for label in SOUNDS for index in range(3) for seed in (0, 1)}
    assert len(made) == 10 * 3 * 2


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import hashlib, numpy; numpy.random.seed(5)\n"
        "from avbuild.sources.demo import *\n"
        "print(hashlib.sha256(DemoClip('siren', 3, 0).read() + DemoImage('siren', 3, 0).read()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    here = hashlib.sha256(DemoClip("siren", 3, 0).read() + DemoImage("siren", 3, 0).read()).hexdigest()
    assert there == here


def test_slices_of_a_recording_share_a_group_and_are_related() -> None:
    audio, _ = demo_corpora(seed=0, per_class=4)
    groups = [clip.group for clip in audio.items[:4]]
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert audio.items[0].fold == audio.items[1].fold
