"""The default manifest: C (clean), each modality corrupted alone (A, V, T), each pair of them, and D (all)."""

from collections.abc import Sequence
from itertools import combinations

from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import CLEAN, Manifest
from avbuild.scenarios.spec import Scenario

OPS = {  # by the letter of the modality
    "A": ("gaussian_noise", "time_shift", "time_mask"),
    "V": ("gaussian_noise", "box_blur", "pixelate"),
    "T": ("typos", "ocr", "word_drop"),
}
ALL = "D"  # the scenario in which all modalities are corrupted


def default_manifest(
    name: str, dataset: str, seed: int, severity: int, modalities: Sequence[str] = ("audio", "image")
) -> Manifest:
    """Return a manifest with one scenario for every set of the modalities, all at one severity.

    A is for audio, V for images and videos together, T for text: C, A, V and D of audio and images; C, A, V, T, AV, AT,
    VT and D of all three.  Unlike in much published work, D is as strong as A and V are.

    Args:
        name: of the manifest.
        dataset: path of the data set, relative to the manifest.
        seed: of all scenarios.
        severity: of all corruptions, 1 to 5.
        modalities: of the data set.
    """
    plans: dict[str, dict[str, object]] = {}
    for modality in sorted(modalities, key=list(MODALITIES).index):
        letter = MODALITIES[modality].letter
        plans.setdefault(letter, {})[modality] = {"any_of": list(OPS[letter]), "severity": severity}
    scenarios: dict[str, dict[str, object]] = {CLEAN: {}}
    for size in range(1, len(plans) + 1):
        for letters in combinations(plans, size):
            called = ALL if 1 < size == len(plans) else "".join(letters)
            scenarios[called] = {m: plan for letter in letters for m, plan in plans[letter].items()}
    return Manifest(
        manifest=1,
        name=name,
        dataset=dataset,
        seed=seed,
        scenarios={key: Scenario.model_validate(scenario) for key, scenario in scenarios.items()},
    )
