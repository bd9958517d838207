"""`avbuild corrupt`."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from avbuild.commands.options import (
    DATA,
    DataSetOption,
    DryRun,
    EngineChoice,
    EngineOption,
    JobShareOption,
    OldJobShareOption,
    RayAddress,
    Workers,
    chosen_engine,
    chosen_job_share,
    comma_separated,
    only_data_set,
    print_share_written,
    say,
)
from avbuild.errors import UsageError

if TYPE_CHECKING:
    from avbuild.dataset.build_record import BuildRecord
    from avbuild.dataset.splits import Split
    from avbuild.dataset.storage import Folder

SCENARIOS = "Scenarios"  # heading over the options in --help


def corrupt(
    scenario: Annotated[
        str,
        typer.Option(
            help="Scenarios of the manifest, or scenario presets, e.g. D or A,V,D.", rich_help_panel=SCENARIOS
        ),
    ],
    data: DataSetOption = None,
    splits: Annotated[
        str, typer.Option(help="Splits to corrupt, e.g. train,validation,test.", rich_help_panel=DATA)
    ] = "test",
    severity: Annotated[
        int | None,
        typer.Option(
            help="Severity of all corruptions, instead of the manifest's.", min=1, max=5, rich_help_panel=SCENARIOS
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed, instead of the manifest's.", rich_help_panel=SCENARIOS)
    ] = None,
    manifest: Annotated[
        str | None, typer.Option(help="Manifest, instead of the data set's own.", rich_help_panel=SCENARIOS)
    ] = None,
    workers: Workers = None,
    engine: EngineOption = EngineChoice.local,
    ray_address: RayAddress = None,
    job_share: JobShareOption = None,
    shard: OldJobShareOption = None,
    dry_run: DryRun = False,
) -> None:
    """Write the corrupted shards of scenarios beside the clean shards.

    The bytes are the same for any number of workers, on any machine.

    Examples:

        avbuild corrupt --scenario D
        avbuild corrupt --scenario A,V,D --splits validation,test --data data/mine
        avbuild corrupt --scenario D --severity 5
        avbuild corrupt --scenario D --job-share 0/4
    """
    from avbuild.dataset.storage import Folder
    from avbuild.pipeline.corrupt import CorruptRequest, corrupt_data_set, plan_corruptions

    started, share, chosen_splits = time.monotonic(), chosen_job_share(job_share, shard), _parse_splits(splits)
    folder = Folder(data or only_data_set())
    scenarios = tuple(comma_separated("--scenario", scenario))
    request = CorruptRequest(scenarios, splits=chosen_splits, severity=severity, seed=seed, manifest=manifest)
    build, updated, names = plan_corruptions(folder, request)
    if dry_run:
        from avbuild.pipeline.estimate import estimate_corrupt

        say(estimate_corrupt(folder, build, updated, names, chosen_splits))
        return
    where = chosen_engine(engine, workers, ray_address)
    corrupted = corrupt_data_set(folder, build, updated, names, chosen_splits, where, share)
    if corrupted is None:
        print_share_written(", ".join(names), job_share or shard, folder, started)
    else:
        _print_result(corrupted, names, chosen_splits, folder, started)


def _parse_splits(text: str) -> "tuple[Split, ...]":
    """Convert `validation,test` to splits, in the order train, validation, test."""
    from avbuild.dataset.splits import SPLITS

    names = comma_separated("--splits", text)
    if unknown := [name for name in names if name not in SPLITS]:
        raise UsageError(f"--splits {','.join(unknown)}: allowed are {', '.join(SPLITS)}")
    return tuple(split for split in SPLITS if split in names)


def _print_result(
    build: "BuildRecord", names: Sequence[str], splits: "Sequence[Split]", folder: "Folder", started: float
) -> None:
    for name in names:
        record = build.scenarios[name]
        rows = ", ".join(f"{record.splits[split].rows:,} {split}" for split in splits)
        counts = {m: sum(made.missing[m] for made in record.splits.values()) for m in build.modalities}
        missing = "".join(f", {modality} missing in {count:,}" for modality, count in counts.items() if count)
        say(f"{name}: {rows}{missing} in {folder.path(name)}, {time.monotonic() - started:.0f} s")
    say(f"next: avtrain fit {folder.path('manifest.yaml')}")
