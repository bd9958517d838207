"""Measure how far corruptions of images move an image, relative to the published ones of the same name.

    pip install -r benchmarks/requirements.txt
    git clone https://github.com/hendrycks/robustness
    python benchmarks/fidelity.py --images PHOTOS --small CIFAR10 --official robustness > table.md

Compared is the mean absolute distance from the clean image, in grey levels, over images and draws. Originals at 224 px
are those of imagecorruptions 1.1.2 (`elastic`: make_imagenet_c.py), at 32 px those of make_cifar_c.py, whose motion
blur by ImageMagick is replaced by that of imagecorruptions. Ratios outside 1 +- 0.15 are marked.

    python benchmarks/fidelity.py --official robustness --write tests/support/official_distances.json

writes the distances of the originals on `natural_like` images, which tests hold ours against.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from avbuild.corruptions import CORRUPTIONS

Corrupt = Callable[[np.ndarray, int, int], np.ndarray]  # (image uint8 [H, W, 3], severity, seed) -> uint8 [H, W, 3]

SIDES = (224, 32)
TOLERANCE = 0.15
SEVERITIES = (1, 2, 3, 4, 5)
SLOW = {("glass_blur", 224): 10}  # the most images for it: the original takes half a second a round
VARIED = ("frost", "fog", "snow", "elastic")  # whose draws differ much in strength: 5 times as many on synthetic images
DRAWLESS = ("gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "saturate", "contrast", "pixelate", "jpeg")


def natural_like(side: int) -> np.ndarray:
    """Return a synthetic image with the statistics of photographs: a 1/f spectrum, correlated channels, hard edges.

    Args:
        side: pixels, at most 224.

    Returns uint8 [side, side, 3], the same on every machine up to rounding.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:224, :224]
    frequency = np.hypot(np.fft.fftfreq(224)[:, None], np.fft.fftfreq(224)[None])
    frequency[0, 0] = 1.0

    def cloud() -> np.ndarray:
        field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((224, 224))) / frequency).real
        return (field - field.mean()) / field.std()

    light = 115 + 38 * cloud()
    image = light[..., None] + 14 * np.stack([cloud() for _ in range(3)], axis=-1)
    for _ in range(12):  # flat objects that hide what is behind them
        (top, left), radius, shade = rng.uniform(0, 224, 2), rng.uniform(8, 40), rng.uniform(-70, 90, 3)
        inside = np.hypot(y - top, x - left) < radius * (1 + 0.3 * np.sin(5 * np.arctan2(y - top, x - left)))
        image[inside] = 0.5 * image[inside] + 0.5 * (115 + 0.4 * shade + 0.6 * shade.mean())
    whole = np.rint(image).clip(0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(whole).resize((side, side), Image.Resampling.BOX))


def read_images(folder: Path, side: int, count: int) -> list[np.ndarray]:
    """Return images spread evenly over a folder's files, each cut to a square and resized, uint8 [side, side, 3]."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not files:
        raise SystemExit(f"{folder}: no .jpg or .png file")
    images = []
    for path in files[:: max(1, len(files) // count)][:count]:
        image = Image.open(path).convert("RGB")
        width, height = image.size
        short = min(width, height)
        left, top = (width - short) // 2, (height - short) // 2
        box = (left, top, left + short, top + short)
        images.append(np.asarray(image.resize((side, side), Image.Resampling.LANCZOS, box=box)))
    return images


def distance(name: str, corrupt: Corrupt, images: Sequence[np.ndarray], severity: int, draws: int) -> float:
    """Return the mean absolute distance from the clean image, in grey levels.

    Args:
        name: of the corruption; one that draws nothing is applied once.
        corrupt: the corruption.
        images: uint8 [H, W, 3] each.
        severity: 1 to 5.
        draws: for each image.
    """
    draws = 1 if name in DRAWLESS else draws
    return float(
        np.mean(
            [
                np.abs(corrupt(image, severity, 1000 * index + draw).astype(np.int16) - image).mean()
                for index, image in enumerate(images)
                for draw in range(draws)
            ]
        )
    )


def ours(name: str) -> Corrupt:
    """Return our corruption of that name."""
    corruption = CORRUPTIONS["image"][name]

    def corrupt(image: np.ndarray, severity: int, seed: int) -> np.ndarray:
        return corruption.apply(image, corruption.level(severity, image), np.random.default_rng(seed))

    return corrupt


def theirs(original: Callable[[np.ndarray, int], np.ndarray]) -> Corrupt:
    """Return an original, seeded: it draws from numpy's global generator."""

    def corrupt(image: np.ndarray, severity: int, seed: int) -> np.ndarray:
        np.random.seed(seed)
        return np.asarray(original(image, severity))

    return corrupt


def synthetic_draws(name: str, draws: int) -> int:
    """Return how often a corruption is drawn on a synthetic image."""
    return 5 * draws if name in VARIED else draws


def main() -> None:
    """Print the table, or write the distances of the originals on synthetic images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder of photographs, for 224 px")
    parser.add_argument("--small", type=Path, help="folder of images of 32 px (default: those of --images, reduced)")
    parser.add_argument("--official", type=Path, help="clone of github.com/hendrycks/robustness, for 32 px and elastic")
    parser.add_argument("--count", type=int, default=60, help="images of each size (default 60)")
    parser.add_argument("--draws", type=int, default=2, help="draws for each image (default 2)")
    parser.add_argument("--only", help="corruptions, separated by commas (default all 19)")
    parser.add_argument("--write", type=Path, metavar="JSON", help="measure the originals on synthetic images instead")
    options = parser.parse_args()
    if (options.images is None) == (options.write is None):
        parser.error("give either --images or --write")
    if options.write and not options.official:
        parser.error("--write needs --official")
    from originals import large_originals, small_originals

    originals = {224: large_originals(options.official)}
    if options.official:
        originals[32] = small_originals(options.official)
    if options.write:
        write_synthetic(originals, options.write, options.draws)
        return
    print(
        "| corruption | px | severity | original | ours | ratio | |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |"
    )
    wanted = options.only.split(",") if options.only else list(originals[224])
    for side, known in originals.items():
        folder = options.small if side == 32 and options.small else options.images
        images = read_images(folder, side, options.count)
        for name in wanted:
            if name not in known:
                raise SystemExit(f"no original of {name!r}; there are {', '.join(known)}")
            few = images[: SLOW.get((name, side), len(images))]
            for severity in SEVERITIES:
                official, own = (
                    distance(name, corrupt, few, severity, options.draws)
                    for corrupt in (theirs(known[name]), ours(name))
                )
                mark = "" if abs(own / official - 1) <= TOLERANCE else "outside"
                print(
                    f"| {name} | {side} | {severity} | {official:.2f} | {own:.2f} | {own / official:.2f} | {mark} |",
                    flush=True,
                )


def write_synthetic(originals: dict[int, dict], path: Path, draws: int) -> None:
    """Write the originals' distances on `natural_like` images."""
    found: dict[str, object] = {"command": " ".join(["python", *sys.argv])}
    for side, known in originals.items():
        for name, original in known.items():
            count = 2 if (name, side) in SLOW else synthetic_draws(name, draws)
            values = [distance(name, theirs(original), [natural_like(side)], s, count) for s in SEVERITIES]
            found[f"{name}/{side}"] = [round(value, 2) for value in values]
            print(f"{name}/{side}: {found[f'{name}/{side}']}", flush=True)
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
    path.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
