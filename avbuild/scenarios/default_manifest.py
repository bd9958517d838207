"""The scenarios a data set is made with: clean, sound corrupted, picture or video corrupted, both equally strong."""

from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.spec import Scenario

AUDIO = ("gaussian_noise", "time_shift", "time_mask")
IMAGE = ("gaussian_noise", "box_blur", "pixelate")


def default_manifest(name: str, dataset: str, seed: int, severity: int, visual: str = "image") -> Manifest:
    """C, A, V and D at one severity.  Unlike in much published work, D is as strong as A and V are.

    visual: what V corrupts, image or video.
    """
    audio, seen = ({"any_of": list(ops), "severity": severity} for ops in (AUDIO, IMAGE))
    scenarios = {"C": {}, "A": {"audio": audio}, "V": {visual: seen}, "D": {"audio": audio, visual: seen}}
    return Manifest(
        manifest=1,
        name=name,
        dataset=dataset,
        seed=seed,
        scenarios={key: Scenario.model_validate(scenario) for key, scenario in scenarios.items()},
    )
