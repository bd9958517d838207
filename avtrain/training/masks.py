"""The masks of a training: computed before the first step, saved with the run, and summed up in a few lines."""

from collections.abc import Mapping, Sequence

from avbuild.scenarios.manifest import Manifest
from avtrain.config import FitConfig
from avtrain.data.masks import drops, missing_shares, nominal_rate, presence
from avtrain.data.regimes import train_scenarios
from avtrain.data.samples import Rows
from avtrain.runs.masks import Mask


def training_masks(settings: FitConfig, manifest: Manifest, rows: Mapping[str, Rows]) -> list[Mask]:
    """Return the masks that every epoch of a training sees, and that its epochs are selected on.

    Args:
        settings: of the fit; with `draws` 0 each epoch draws its own, and only those of the selection are returned.
        manifest: defines the scenarios.
        rows: split -> its rows; those of `settings.select_on` are scored, the others are trained on.

    Returns:
        Masks of the scenarios that make modalities missing; none where there is no such scenario.
    """
    found = []
    for scenario in train_scenarios(settings, manifest):
        if not drops(manifest.scenarios[scenario]):
            continue
        for split, of_split in rows.items():
            draws = [0] if split == settings.select_on else list(range(1, settings.draws + 1))
            ids = tuple(sample.id for sample in of_split.samples)
            for draw in draws:
                found.append(Mask(split, scenario, draw, ids, presence(of_split, manifest, scenario, draw)))
    return found


def mask_lines(masks: Sequence[Mask], manifest: Manifest) -> list[str]:
    """Return one line a mask: nominal rate, and the shares that are really missing.

    Args:
        masks: of a training.
        manifest: defines the scenarios.
    """
    lines = []
    for mask in masks:
        rate = nominal_rate(manifest.scenarios[mask.scenario])
        draw = f", draw {mask.draw}" if mask.draw > 1 else ""
        lines.append(f"  {mask.scenario}, {mask.split}{draw}: {rate}, {missing_shares(mask.present)}")
    return lines
