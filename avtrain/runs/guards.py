"""Guards that refuse an unfinished run, or to mix a run with another configuration or with other data."""

from collections.abc import Iterable, Mapping
from typing import Any

from avbuild.dataset.splits import SPLITS
from avbuild.errors import UserError
from avbuild.plugins.record import PluginRecord
from avbuild.scenarios.manifest import Manifest
from avtrain.data.shards import content_of
from avtrain.runs.folder import Run


def require_finished(run: Run) -> None:
    """Refuse a run whose weights are not yet those of its best epoch.  Raises UserError."""
    if not run.finished:
        raise UserError(f"{run}: training is not finished; run the same avtrain fit again")


def require_same_configuration(
    run: Run,
    compared: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
    *,
    holds: str,
    choose: str,
) -> None:
    """Refuse to continue what was begun under another configuration.

    Args:
        run: the folder.
        compared: sections of the configuration, each as the folder has it and as it is asked for now.
        holds: content of the folder for the error, such as `a run`.
        choose: options that name another folder, for the error.

    Raises:
        UserError: lists every value that differs.
    """
    differing = [
        f"  {key}: {before.get(key)} there, {asked.get(key)} asked for"
        for before, asked in compared
        for key in {**before, **asked}
        if before.get(key) != asked.get(key)
    ]
    if differing:
        listed = "\n".join(differing)
        raise UserError(
            f"{run}: holds {holds} with another configuration\n{listed}\n"
            f"Choose another {choose}, or --resume restart to begin anew"
        )


def require_same_plugins(run: Run, records: Iterable[PluginRecord]) -> None:
    """Refuse to use a run whose plug-ins are not loaded here, or have another source than it was begun with.

    Args:
        run: the folder.
        records: of the plug-ins that are needed, from its configuration.

    Raises:
        UserError: names the first plug-in that is absent or changed.
    """
    for record in records:
        if record.loaded is None:
            raise UserError(f"{run}: {record.absent()}")
    require_unchanged_plugins(run, records)


def require_unchanged_plugins(run: Run, records: Iterable[PluginRecord]) -> None:
    """Refuse to use a run with plug-ins of another source than it was begun with; they may be absent.

    Raises:
        UserError: names the first plug-in that changed.
    """
    for record in records:
        if change := record.change():
            raise UserError(
                f"{run}: {change}. Put its source back as it was, or train again: avtrain fit with --resume restart"
            )


def comparable(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest without the place of its data set: data are compared by their content, wherever they are."""
    return manifest.model_dump(exclude={"dataset"})


def require_same_data(run: Run, manifest: Manifest) -> None:
    """Refuse to use a finished run with data that were made anew: its training rows may be in the test split now.

    Args:
        run: finished.
        manifest: the run's own, whose data set may have been moved or copied.  A data set that is not on disk is not
            checked; at another place than the run names, it must hold a split that can be compared.

    Raises:
        UserError: names the splits whose rows differ from those of the training.
    """
    before = run.read_json("result.json").get("content", {})
    now = content_of(manifest, [split for split in SPLITS if split in before])
    trained_on = run.config().manifest.dataset
    if not now and manifest.dataset != trained_on:
        needed = " or ".join(before) or "its data: this run recorded no digest of them"
        raise UserError(
            f"{run}: trained on {trained_on}; whether {manifest.dataset} holds the same rows cannot be told without "
            f"{needed}. Name a complete copy of that data set, or train again: avtrain fit with --resume restart"
        )
    if differing := [split for split, digest in now.items() if digest != before.get(split, digest)]:
        raise UserError(
            f"{run}: trained on other rows than {manifest.dataset} has now ({' and '.join(differing)} differ), so its "
            "test split may hold some of them. Put the data back as they were, or train again: avtrain fit with "
            "--resume restart"
        )
