"""Images are scaled as torchvision scales them, without the seconds that its import takes."""

import subprocess
import sys

import pytest
import torch

from avtrain.frontends.base import IMAGENET_MEAN, IMAGENET_STD, normalise_image, prepare_visual
from avtrain.frontends.visual import FrameChoice, Resize, VisualFrontend, first, squash
from avtrain.frontends.whisper_mel import Frontend

SIZES = [(32, 32), (16, 16), (40, 60), (61, 33), (224, 223), (17, 112), (113, 112), (1, 5), (375, 500)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("size", [16, 33, 112])
@pytest.mark.parametrize("frames", [0, 3])
def test_an_image_is_what_torchvision_makes_of_it(shape: tuple[int, int], size: int, frames: int) -> None:
    from torchvision.transforms.v2 import functional as transforms

    drawn = torch.randint(0, 256, (*([frames] if frames else []), *shape, 3), dtype=torch.uint8).movedim(-1, -3)
    scaled = drawn
    if shape != (size, size):
        scaled = transforms.resize(drawn, [size], interpolation=transforms.InterpolationMode.BICUBIC, antialias=True)
        scaled = transforms.center_crop(scaled, [size, size])
    expected = transforms.normalize(scaled.to(torch.float32) / 255.0, list(IMAGENET_MEAN), list(IMAGENET_STD))
    assert torch.equal(normalise_image(drawn, size), expected)


def test_training_with_a_small_backbone_does_not_import_what_it_does_not_need() -> None:
    heavy = (
        *("torchvision", "torchaudio", "matplotlib", "datasets", "peft", "tensorboard", "av"),
        *("scipy.fft", "scipy.special", "scipy.signal"),
    )
    program = (
        "import sys; import avtrain.training.start, avtrain.evaluation.evaluate, avtrain.inference.predictor;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize("shape", SIZES)
def test_a_squashed_image_is_what_torchvision_makes_of_it(shape: tuple[int, int]) -> None:
    from torchvision.transforms.v2 import functional as transforms

    drawn = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8).movedim(-1, 0)
    expected = transforms.resize(drawn, [33, 33], antialias=True)
    assert torch.equal(squash(drawn, 33), expected)


@pytest.mark.parametrize("resize", ["crop", "squash"])
@pytest.mark.parametrize("choice", ["spread", "first"])
def test_a_visual_front_end_changes_images_and_frames_alone(resize: Resize, choice: FrameChoice) -> None:
    inner = Frontend(0.5, 16, frames=2)
    frontend = VisualFrontend(inner, 16, 2, resize, choice)
    audio, video = torch.rand(4000), torch.randint(0, 256, (5, 20, 30, 3), dtype=torch.uint8)
    assert frontend.shapes == inner.shapes
    prepared = frontend.prepare("audio", audio)
    assert torch.equal(prepared, inner.prepare("audio", audio))
    assert torch.equal(frontend.finish("audio", prepared[None]), inner.finish("audio", prepared[None]))
    frames = video[[1, 3]] if choice == "spread" else video[[0, 1]]
    expected = torch.stack([frontend.prepare("image", frame) for frame in frames])
    assert torch.equal(frontend.prepare("video", video), expected)
    assert torch.equal(frontend.prepare("video", video), prepare_visual("video", video, 16, 2)) == (
        (resize, choice) == ("crop", "spread")
    )


def test_the_first_frames_repeat_the_last_where_there_are_too_few() -> None:
    assert first(5, 3) == [0, 1, 2]
    assert first(2, 3) == [0, 1, 1]


def test_the_front_end_of_a_resnet_is_named_as_before_by_default() -> None:
    """The name of a front end is part of the keys of the feature cache."""
    from avtrain.backbones.registry import build_backbone

    def name(**options: object) -> str:
        return repr(build_backbone("resnet", options).frontend)

    assert name() == "StftFrontend(audio_seconds=3.0, image_size=224, frames=3, version=2)"
    assert "squash" in name(resize="squash")
    assert len({name(), name(resize="squash"), name(frame_choice="first")}) == 3
