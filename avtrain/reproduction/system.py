"""A system: one row of a reproduced table."""

from collections.abc import Sequence
from typing import Literal

from avbuild.frozen import Frozen
from avtrain.config import Selection, selection_suffix


class System(Frozen):
    """A method, the data it is trained on, the split that chooses its best epoch, and the weights it starts from.

    Attributes:
        name: identifier of the row and of the folder of its runs; no two systems have the same.
        method: name of the method.
        train_on: "scenarios" or "clean".
        select_on: the split that chooses the best epoch.
        init_from: the system whose run of the same seed it starts from; None: the pretrained backbone.
        method_options: options of the method that define this row; `--set` and `--settings` may not change them.
    """

    name: str
    method: str
    train_on: Literal["scenarios", "clean"] = "scenarios"
    select_on: Selection = "validation"
    init_from: str | None = None
    method_options: tuple[tuple[str, str], ...] = ()

    @property
    def row(self) -> str:
        """Return the name without the suffix of selection on test: the same for both selections of a row."""
        return self.name.removesuffix(selection_suffix(self.select_on))

    @property
    def described_options(self) -> str:
        """Return the options that define this row as text, such as "hgm rls, fusion mean"; may be empty."""
        return ", ".join(f"{key} {value}" for key, value in self.method_options)


def selected_on(split: Selection, systems: Sequence[System]) -> tuple[System, ...]:
    """Return the same systems with their best epoch chosen on another split.

    Args:
        split: that chooses.
        systems: selected on validation, none of which starts from another.
    """
    suffix = selection_suffix(split)
    return tuple(system.model_copy(update={"select_on": split, "name": system.name + suffix}) for system in systems)


def also_selected_on_test(systems: Sequence[System]) -> tuple[System, ...]:
    """Return each system, followed by the same one with its best epoch chosen on the test split.

    Args:
        systems: none of which starts from another.
    """
    return tuple(kind for system in systems for kind in (system, *selected_on("test", (system,))))
