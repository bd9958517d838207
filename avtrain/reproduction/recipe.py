"""A published recipe as options of the fit, and the differences of a configuration from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avtrain.backbones.registry import backbone_config
from avtrain.config import FitConfig, Selection
from avtrain.methods.registry import method_config
from avtrain.reproduction.system import System
from avtrain.training.options import fit_config, merged_options

Options = Mapping[str, Any]  # of a fit, as under `fit` in a run's config.yaml

# how options are called in reasons; others by their name
CALLED = {
    "train_split": "rows trained on",
    "lr": "learning rate",
    "batch_size": "batch size",
    "optimizer": "optimiser",
    "weight_decay": "weight decay",
    "schedule": "schedule of the learning rate",
    "decay_at": "share of the epochs before the learning rate falls",
    "warmup": "share of the steps over which the learning rate rises",
    "augment": "augmentation",
    "average_from": "first epoch of the mean of the weights",
    "backbone.spectrogram": "audio front end",
    "backbone.audio_seconds": "seconds of audio",
    "backbone.image_size": "side of an image",
    "backbone.resize": "resizing of images",
    "backbone.frame_choice": "choice of frames",
    "backbone.frames": "frames of a clip",
    "method.head_init": "initialisation of the head",
}
# do not decide the weights, are set by the plan, or have reasons of their own
NOT_COMPARED = (
    *("method", "method_options", "backbone", "backbone_options", "seed", "init_from", "train_on", "select_on"),
    *("epochs", "checkpointing", "compile", "method.frozen", "backbone.frames"),
)


@dataclass(frozen=True)
class PublishedRecipe:
    """Options under which published numbers were made.

    Attributes:
        name: after which reasons call it.
        options: of every fit.
        methods: method -> further options of its fits.
        select_on: the split that chooses the best epoch.
        seeds: number of runs that are averaged; None: not known.
    """

    name: str
    options: Options
    methods: Mapping[str, Options] = field(default_factory=dict)
    select_on: Selection = "validation"
    seeds: int | None = None

    def for_method(self, method: str) -> dict[str, Any]:
        """Return the options of the fits of a method."""
        return merged_options(self.options, self.methods.get(method, {}))


def with_recipe(
    recipe: PublishedRecipe, options: Options, settings: Mapping[str, Options], systems: Sequence[System]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return options and settings of a plan that follow a recipe, except where the user asks for something else.

    Args:
        recipe: to follow.
        options: of the user, for every fit; None counts as not given.
        settings: of the user, method or system -> options.
        systems: rows of the table.
    """
    given = {key: value for key, value in options.items() if value is not None}
    recipes = dict(recipe.options)
    if given.get("backbone", recipes.get("backbone")) != recipes.get("backbone"):
        recipes.pop("backbone_options", None)  # they are of another backbone
    methods = {system.method for system in systems}
    own = {name: dict(value) for name, value in recipe.methods.items() if name in methods}
    for name, value in own.items():  # the user's options for all fits replace the recipe's for one method
        kept = {key: v for key, v in value["method_options"].items() if key not in given.get("method_options", {})}
        own[name] = {**value, "method_options": kept}
    names = dict.fromkeys((*own, *settings))
    return merged_options(recipes, given), {n: merged_options(own.get(n, {}), settings.get(n, {})) for n in names}


def differences(fit: FitConfig, system: System, recipe: PublishedRecipe) -> tuple[str, ...]:
    """Return every difference of a configuration from a recipe, in words; options of another backbone are left out.

    Args:
        fit: of a run.
        system: its row, whose own options are part of the method and not of the recipe.
        recipe: published.
    """
    row = {
        "method": fit.method,
        "method_options": dict(system.method_options),
        "select_on": recipe.select_on,
    }
    ours, published = _flat(fit), _flat(fit_config(merged_options(recipe.for_method(fit.method), row)))
    keys = [key for key in {**published, **ours} if key not in NOT_COMPARED]
    if fit.backbone != recipe.options.get("backbone"):
        keys = [key for key in keys if not key.startswith("backbone.")]
    return tuple(
        f"{CALLED.get(key, key)}: {_said(ours.get(key))} here, {_said(published.get(key))} published"
        for key in keys
        if ours.get(key) != published.get(key)
    )


def _said(value: object) -> str:
    return "default" if value is None else str(value)


def _flat(fit: FitConfig) -> dict[str, Any]:
    """Return all options of a fit by name, those of method and backbone with their defaults."""
    method, backbone = (
        method_config(fit.method, fit.method_options),
        backbone_config(fit.backbone, fit.backbone_options),
    )
    return {
        **fit.model_dump(),
        **{f"method.{key}": value for key, value in method.model_dump().items()},
        **{f"backbone.{key}": value for key, value in backbone.model_dump().items()},
    }
