"""The scenarios a data set is made with: clean, sound corrupted, picture corrupted, both equally strong."""

from avbuild.manifest import Manifest, Scenario

AUDIO = {"any_of": ["gaussian_noise", "time_shift", "time_mask"], "severity": 3}
IMAGE = {"any_of": ["gaussian_noise", "box_blur", "pixelate"], "severity": 3}


def default_manifest(name: str, dataset: str, seed: int) -> Manifest:
    """C, A, V and D at severity 3.  Unlike much published work, D is as strong as A and V are."""
    scenarios = {"C": {}, "A": {"audio": AUDIO}, "V": {"image": IMAGE}, "D": {"audio": AUDIO, "image": IMAGE}}
    return Manifest(
        manifest=1,
        name=name,
        dataset=dataset,
        seed=seed,
        scenarios={key: Scenario.model_validate(scenario) for key, scenario in scenarios.items()},
    )
