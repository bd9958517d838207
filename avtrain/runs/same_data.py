"""Refuse to use a finished run with data that were made anew since."""

from avbuild.dataset.splits import SPLITS
from avbuild.errors import UserError
from avbuild.scenarios.manifest import Manifest
from avtrain.data.shards import content_of
from avtrain.runs.folder import Run


def refuse_other_data(run: Run, manifest: Manifest) -> None:
    """Raises UserError where the rows trained on are not those on disk: the test split may hold some of them now.

    manifest: the run's own.  Data that are not there tell nothing.
    """
    then = run.read_json("result.json").get("content", {})
    now = content_of(manifest, [split for split in SPLITS if split in then])
    if other := [split for split, found in now.items() if found != then[split]]:
        raise UserError(
            f"{run}: trained on other rows than {manifest.dataset} has now ({' and '.join(other)} differ), so its test "
            "split may hold some of them. Put the data back as they were, or train again: avtrain fit with "
            "--resume restart"
        )
