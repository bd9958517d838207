"""What the preview says was drawn is what the corruption did: each claim is checked on the corrupted signal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from avbuild.corruptions import CORRUPTIONS
from avbuild.inspect.drawn import DRAWN, box_of, drawn, lost_packets, mask_of, rain_angle, shift_of, snow_angle
from avbuild.scenarios.apply import corrupt
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.plan import condition, plan_sample
from avbuild.scenarios.seeding import rng_for

CLIP = np.random.default_rng(0).uniform(0.1, 0.5, 16_000).astype(np.float32)
IMAGE = np.random.default_rng(1).integers(1, 120, (96, 80, 3)).astype(np.uint8)


class Recorder(np.random.Generator):
    """A generator that keeps every single number drawn by `uniform`."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng.bit_generator)
        self.drawn: list[float] = []

    def uniform(self, *arguments: Any, **options: Any) -> Any:
        value = super().uniform(*arguments, **options)
        self.drawn.append(value)
        return value


def fresh(modality: str, op: str) -> np.random.Generator:
    return rng_for(seed=0, scenario="X", sample="s", modality=modality, op=op)


@pytest.mark.parametrize("seed", range(5))
def test_shift_mask_packets_and_box_are_those_of_the_result(seed: int) -> None:
    def rng() -> np.random.Generator:
        return np.random.default_rng(seed)

    shift = CORRUPTIONS["audio"]["time_shift"]
    level = {"most": 0.3}
    assert np.array_equal(shift.apply(CLIP, (0.3,), rng()), np.roll(CLIP, shift_of(level, CLIP.size, rng())))
    masked = CORRUPTIONS["audio"]["time_mask"].apply(CLIP, (0.2,), rng())
    start, end = mask_of({"fraction": 0.2}, CLIP.size, rng())
    assert np.flatnonzero(masked == 0).tolist() == list(range(start, end))
    lossy = CORRUPTIONS["audio"]["packet_loss"].apply(CLIP, (0.3,), rng())
    lost, packets = lost_packets({"rate": 0.3}, CLIP.size, rng())
    assert (lossy.reshape(packets, -1) == 0).all(axis=1).sum() == lost
    hidden = CORRUPTIONS["image"]["occlusion"].apply(IMAGE, (0.2,), rng())
    top, left, tall, wide = box_of({"fraction": 0.2}, *IMAGE.shape[:2], rng())
    changed = np.argwhere((hidden != IMAGE).any(axis=2))
    assert changed.min(axis=0).tolist() == [top, left]
    assert (changed.max(axis=0) + 1).tolist() == [top + tall, left + wide]


@pytest.mark.parametrize(("name", "angle"), [("snow", snow_angle), ("rain", rain_angle)])
def test_directions_are_the_numbers_that_the_corruption_draws(name: str, angle: Callable[..., float]) -> None:
    corruption = CORRUPTIONS["image"][name]
    level = corruption.level(3, IMAGE)
    recorder = Recorder(fresh("image", name))
    corruption.apply(IMAGE, level, recorder)
    named = dict(zip(corruption.parameters, level, strict=True))
    given = (named, *IMAGE.shape[:2]) if name == "snow" else IMAGE.shape[:2]
    assert angle(*given, fresh("image", name)) == recorder.drawn[0]


@pytest.mark.parametrize(("modality", "name"), DRAWN)
def test_every_text_is_one_line_and_names_ops_that_exist(modality: str, name: str) -> None:
    scenario = {modality: {"chain": [name], "severity": 3}}
    manifest = Manifest.model_validate(
        {"manifest": 1, "name": "x", "dataset": ".", "seed": 0, "scenarios": {"C": {}, "X": scenario}}
    )
    signals = {"audio": CLIP, "image": IMAGE}
    plan = plan_sample(condition(manifest, "X"), "s", signals)
    (words,) = drawn(plan, modality, signals[modality])
    assert words
    assert "\n" not in words
    if name == "time_shift":
        moved = corrupt(plan, signals)[0]["audio"]
        shift = round(float(words.split()[2]) * 16_000)  # in hundredths of a second
        best = max(range(shift - 160, shift + 161), key=lambda s: float(np.dot(np.roll(CLIP, s), moved)))  # type: ignore[arg-type]
        assert abs(best - shift) <= 80
