"""Images are scaled as torchvision scales them, without the seconds that its import takes."""

import subprocess
import sys

import pytest
import torch

from avtrain.frontends.base import IMAGENET_MEAN, IMAGENET_STD, normalise_image

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
