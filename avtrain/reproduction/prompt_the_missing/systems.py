"""The rows of the poster's tables: methods, what they are trained on and start from; and the poster's own noise."""

from avbuild.errors import UsageError, nearest
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.presets import SCENARIO_SETS
from avtrain.reproduction.plan import System

FAIR = "fair"  # the scenarios as the manifest has them
REGIMES = ("scenarios", "both")
METHODS = ("finetune", "linear-probe", "lora", "adapter", "map", "spiking", "prompt")
SYSTEMS = (
    System(name="finetune-clean", method="finetune", train_on="clean"),  # most likely the poster's row CAV-MAE
    *(System(name=method, method=method) for method in METHODS),
    System(name="prompt-from-finetune", method="prompt", init_from="finetune-clean"),  # as published
    System(name="prompt-from-adapter", method="prompt", init_from="adapter"),  # the best start that we know
)
ALSO_CLEAN = tuple(System(name=f"{method}-clean", method=method, train_on="clean") for method in METHODS[1:])
EVERY = (*SYSTEMS, *ALSO_CLEAN)


def choose_systems(methods: str, regimes: str) -> tuple[System, ...]:
    """All systems of the methods named, `all` for every one, and what they start from.  Raises UsageError.

    regimes: `scenarios`, where only fine-tuning is trained on clean data too; or `both`, every method.
    """
    if regimes not in REGIMES:
        raise UsageError(f"--regimes {regimes}: allowed are {', '.join(REGIMES)}")
    asked = METHODS if methods == "all" else [name.strip() for name in methods.split(",")]
    if unknown := [name for name in asked if name not in METHODS]:
        raise UsageError(
            f'--methods: no "{unknown[0]}"{nearest(unknown[0], METHODS)}; allowed: all, or some of {", ".join(METHODS)}'
        )
    there = (*SYSTEMS, *ALSO_CLEAN) if regimes == "both" else SYSTEMS
    chosen = [system for system in there if system.method in asked]
    needed = {system.name for system in chosen} | {system.init_from for system in chosen}
    return tuple(system for system in there if system.name in needed)


def with_preset(manifest: Manifest, preset: str) -> Manifest:
    """The manifest under a preset's scenarios, and a name that says so; as it is for `fair`.  Raises UsageError."""
    if preset == FAIR:
        return manifest
    if preset not in SCENARIO_SETS:
        allowed = (FAIR, *SCENARIO_SETS)
        raise UsageError(f'--preset: no "{preset}"{nearest(preset, allowed)}; allowed: {", ".join(allowed)}')
    swapped = {"name": f"{manifest.name}-{preset}", "scenarios": SCENARIO_SETS[preset]}
    return Manifest.model_validate(manifest.as_yaml() | swapped)
