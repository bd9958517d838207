"""Crops and flips in training: boxes as torchvision cuts them, by seed, epoch and sample; none in scoring."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avbuild.scenarios.manifest_file import load_manifest
from avtrain.data.augmentation import Augmentation, crop_and_flip, draw_box
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.features.cache import _draws_never_repeat
from avtrain.frontends.whisper_mel import Frontend


def picture(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@given(height=st.integers(1, 300), width=st.integers(1, 300), seed=st.integers(0, 1000))
def test_a_box_is_inside_the_image(height: int, width: int, seed: int) -> None:
    top, left, high, wide = draw_box(height, width, np.random.default_rng(seed))
    assert 0 <= top <= top + high <= height
    assert 0 <= left <= left + wide <= width
    assert high > 0
    assert wide > 0


def test_boxes_have_the_areas_and_shapes_of_torchvision() -> None:
    from torchvision.transforms import RandomResizedCrop

    rng, image = np.random.default_rng(0), torch.zeros(3, 120, 160)
    torch.manual_seed(0)
    ours = np.array([draw_box(120, 160, rng) for _ in range(4000)], dtype=float)
    theirs = np.array(
        [RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)], dtype=float
    )
    for of in (lambda b: b[:, 2] * b[:, 3], lambda b: b[:, 3] / b[:, 2], lambda b: b[:, 0], lambda b: b[:, 1]):
        spread = of(theirs).std()
        assert abs(of(ours).mean() - of(theirs).mean()) < 0.08 * spread
        assert abs(of(ours).std() - spread) < 0.08 * spread


def test_the_crop_is_resized_as_torchvision_does() -> None:
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as transforms

    image, flips = picture(60, 80), 0
    for seed in range(12):
        box = draw_box(60, 80, np.random.default_rng(seed))
        expected = transforms.resized_crop(
            image.movedim(-1, 0), *box, [32, 32], interpolation=InterpolationMode.BILINEAR, antialias=True
        ).movedim(0, -1)
        ours = crop_and_flip(image, 32, np.random.default_rng(seed))
        flipped = torch.equal(ours, expected.flip(1))
        assert flipped or torch.equal(ours, expected)
        flips += flipped
    assert 0 < flips < 12


def test_it_is_a_function_of_seed_epoch_and_sample() -> None:
    image = picture(40, 40)

    def drawn(seed: int = 0, sample: str = "a", epoch: int = 1) -> torch.Tensor:
        return Augmentation(seed)("image", image, 16, sample, epoch)

    assert torch.equal(drawn(), drawn())
    for other in (drawn(seed=1), drawn(sample="b"), drawn(epoch=2)):
        assert not torch.equal(drawn(), other)


def test_each_frame_of_a_video_has_a_box_of_its_own_and_audio_stays() -> None:
    video = picture(40, 40).expand(3, 40, 40, 3)
    first, second, third = Augmentation(0)("video", video, 16, "a", 1)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    audio = torch.ones(5)
    assert Augmentation(0)("audio", audio, 16, "a", 1) is audio


def test_training_sees_it_and_scoring_does_not(small_data: Path) -> None:
    manifest = load_manifest(small_data / "manifest.yaml")
    plain = MultimodalData(read_rows(manifest, "train"), manifest, Frontend(0.5, 16), ("C",), epoch=1)
    augmented = replace(plain, augment=Augmentation(0))

    def same(first: MultimodalData, second: MultimodalData, modality: str) -> bool:
        return torch.equal(first[0].signals[modality], second[0].signals[modality])

    assert not same(plain, augmented, "image")
    assert not same(augmented, augmented.at(2), "image")
    assert same(plain, augmented, "audio")
    assert same(plain.at(0), augmented.at(0), "image")
    assert augmented[0].signals["image"].shape == plain[0].signals["image"].shape


@pytest.mark.parametrize(("epoch", "never"), [(0, False), (1, True)])
def test_tokens_of_random_crops_are_not_cached(small_data: Path, epoch: int, never: bool) -> None:
    manifest = load_manifest(small_data / "manifest.yaml")
    rows = read_rows(manifest, "train")
    data = MultimodalData(rows, manifest, Frontend(0.5, 16), ("C",), epoch, augment=Augmentation(0))
    assert _draws_never_repeat(data) is never
    assert not _draws_never_repeat(replace(data, augment=None))
