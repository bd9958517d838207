"""Rows of the tables of *Prompt the Missing*, and manifests with its noise protocol."""

from avbuild.errors import UsageError, nearest
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.presets import SCENARIO_SETS
from avtrain.reproduction.system import System

FAIR = "fair"  # the scenarios as the manifest has them
REGIMES = ("scenarios", "both")
METHODS = ("finetune", "linear-probe", "lora", "adapter", "map", "spiking", "prompt")
SYSTEMS = (
    System(name="finetune-clean", method="finetune", train_on="clean"),  # most likely the published row CAV-MAE
    *(System(name=method, method=method) for method in METHODS),
    System(name="prompt-from-finetune", method="prompt", init_from="finetune-clean"),  # as published
    System(name="prompt-from-adapter", method="prompt", init_from="adapter"),  # the best known starting point
)
ALSO_CLEAN = tuple(System(name=f"{method}-clean", method=method, train_on="clean") for method in METHODS[1:])
EVERY = (*SYSTEMS, *ALSO_CLEAN)


def choose_systems(methods: str, regimes: str) -> tuple[System, ...]:
    """Return the systems of the methods asked for, and those that they start from, in the order of the table.

    Args:
        methods: names joined by commas; "all" for every method.
        regimes: "scenarios": only fine-tuning is trained on clean data too; "both": every method is.

    Raises UsageError where a name is unknown.
    """
    if regimes not in REGIMES:
        raise UsageError(f"--regimes {regimes}: allowed are {', '.join(REGIMES)}")
    asked = METHODS if methods == "all" else [name.strip() for name in methods.split(",")]
    if unknown := [name for name in asked if name not in METHODS]:
        raise UsageError(
            f'--methods: no "{unknown[0]}"{nearest(unknown[0], METHODS)}; allowed: all, or some of {", ".join(METHODS)}'
        )
    available = EVERY if regimes == "both" else SYSTEMS
    chosen = [system for system in available if system.method in asked]
    needed = {system.name for system in chosen} | {system.init_from for system in chosen}
    return tuple(system for system in available if system.name in needed)


def with_preset(manifest: Manifest, preset: str) -> Manifest:
    """Return a manifest with its scenarios replaced by those of a preset, and the preset added to its name.

    Args:
        manifest: to copy.
        preset: "poster" or "poster-fixed"; "fair" returns the manifest unchanged.

    Raises UsageError where the preset is unknown.
    """
    if preset == FAIR:
        return manifest
    if preset not in SCENARIO_SETS:
        allowed = (FAIR, *SCENARIO_SETS)
        raise UsageError(f'--preset: no "{preset}"{nearest(preset, allowed)}; allowed: {", ".join(allowed)}')
    replaced = {"name": f"{manifest.name}-{preset}", "scenarios": SCENARIO_SETS[preset]}
    return Manifest.model_validate(manifest.as_yaml() | replaced)
