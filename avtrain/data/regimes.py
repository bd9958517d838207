"""Training regimes: the scenarios that training draws from."""

from avbuild.errors import UsageError
from avbuild.scenarios.manifest import Manifest
from avtrain.config import FitConfig


def train_scenarios(settings: FitConfig, manifest: Manifest) -> tuple[str, ...]:
    """Return the scenarios that training draws from, which are also those that select the best epoch."""
    if settings.train_on == "scenarios":
        return tuple(manifest.scenarios)
    return (clean_scenario(manifest),)


def clean_scenario(manifest: Manifest) -> str:
    """Return the manifest's first scenario without corruptions.

    Raises:
        UsageError: it has none.
    """
    clean = [name for name, scenario in manifest.scenarios.items() if scenario.clean]
    if not clean:
        raise UsageError(f"{manifest.name}: training on clean data needs a scenario without plans, such as  C: {{}}")
    return clean[0]
