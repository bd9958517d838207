"""The default manifest: C (clean), A (audio corrupted), V (image or video corrupted) and D (both)."""

from collections.abc import Sequence

from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.spec import Scenario

AUDIO = ("gaussian_noise", "time_shift", "time_mask")
IMAGE = ("gaussian_noise", "box_blur", "pixelate")


def default_manifest(
    name: str, dataset: str, seed: int, severity: int, modalities: Sequence[str] = ("audio", "image")
) -> Manifest:
    """Return a manifest with C, A, V and D at one severity; without audio there is no A, without visuals no V.

    Unlike in much published work, D is as strong as A and V are.

    Args:
        name: of the manifest.
        dataset: path of the data set, relative to the manifest.
        seed: of all scenarios.
        severity: of all corruptions, 1 to 5.
        modalities: of the data set; V and D corrupt all that show something.
    """
    ops = {"A": AUDIO, "V": IMAGE}
    plans: dict[str, dict[str, object]] = {"A": {}, "V": {}}
    for modality in modalities:
        letter = "V" if MODALITIES[modality].visual else "A"
        plans[letter][modality] = {"any_of": list(ops[letter]), "severity": severity}
    scenarios = {"C": {}, **{letter: plan for letter, plan in plans.items() if plan}}
    if len(scenarios) == 3:
        scenarios["D"] = {**plans["A"], **plans["V"]}
    return Manifest(
        manifest=1,
        name=name,
        dataset=dataset,
        seed=seed,
        scenarios={key: Scenario.model_validate(scenario) for key, scenario in scenarios.items()},
    )
