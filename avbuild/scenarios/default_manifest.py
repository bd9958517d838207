"""The default manifest: C (clean), A (audio corrupted), V (image or video corrupted) and D (both)."""

from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.spec import Scenario

AUDIO = ("gaussian_noise", "time_shift", "time_mask")
IMAGE = ("gaussian_noise", "box_blur", "pixelate")


def default_manifest(name: str, dataset: str, seed: int, severity: int, visual: str = "image") -> Manifest:
    """Return a manifest with C, A, V and D at one severity.

    Unlike in much published work, D is as strong as A and V are.

    Args:
        name: of the manifest.
        dataset: path of the data set, relative to the manifest.
        seed: of all scenarios.
        severity: of all corruptions, 1 to 5.
        visual: the modality that V and D corrupt, image or video.
    """
    audio, visuals = ({"any_of": list(ops), "severity": severity} for ops in (AUDIO, IMAGE))
    scenarios = {"C": {}, "A": {"audio": audio}, "V": {visual: visuals}, "D": {"audio": audio, visual: visuals}}
    return Manifest(
        manifest=1,
        name=name,
        dataset=dataset,
        seed=seed,
        scenarios={key: Scenario.model_validate(scenario) for key, scenario in scenarios.items()},
    )
