"""`avbuild corrupt`."""

import time
from typing import Annotated

import typer

from avbuild.commands.data_sets import only_data_set
from avbuild.commands.engine_options import EngineChoice, EngineOption, RayAddress, ShardOption, Workers, chosen_engine
from avbuild.errors import UsageError


def corrupt(
    scenario: Annotated[str, typer.Option(help="One of the manifest's scenarios, or several: A,V,D.")],
    data: Annotated[str | None, typer.Option(help="The data set.", show_default="the one under data/")] = None,
    splits: Annotated[str, typer.Option(help="Splits to corrupt, e.g. train,validation,test.")] = "test",
    severity: Annotated[int | None, typer.Option(help="All ops at this severity.", min=1, max=5)] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the manifest's seed.")] = None,
    manifest: Annotated[str | None, typer.Option(help="In place of the data set's own manifest.")] = None,
    workers: Workers = None,
    engine: EngineOption = EngineChoice.local,
    ray_address: RayAddress = None,
    shard: ShardOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written and how large.")] = False,
) -> None:
    """Write a scenario's shards beside the clean ones. The same bytes for any number of workers, on any machine.

    Examples:

        avbuild corrupt --scenario D
        avbuild corrupt --scenario A,V,D --data data/urbansound8k-av --splits validation,test
        avbuild corrupt --scenario D --severity 5
    """
    from avbuild.dataset.splits import SPLITS
    from avbuild.dataset.storage import Folder
    from avbuild.pipeline.corrupt import CorruptRequest, corrupt_data_set, plan_corruptions
    from avbuild.pipeline.engines import parse_job_share

    started, wanted, part = time.monotonic(), _words(splits), parse_job_share(shard) if shard else None
    if unknown := [split for split in wanted if split not in SPLITS]:
        raise UsageError(f"--splits {','.join(unknown)}: allowed are {', '.join(SPLITS)}")
    folder = Folder(data or only_data_set())
    asked = CorruptRequest(
        scenarios=tuple(_words(scenario)),
        splits=tuple(split for split in SPLITS if split in wanted),
        severity=severity,
        seed=seed,
        manifest=manifest,
    )
    build, updated, names = plan_corruptions(folder, asked)
    if dry_run:
        from avbuild.pipeline.estimate import estimate_corrupt

        typer.echo(estimate_corrupt(folder, build, updated, names, asked.splits))
        return
    where = chosen_engine(engine, workers, ray_address)
    done = corrupt_data_set(folder, build, updated, names, asked.splits, where, part)
    if done is None:
        typer.echo(f"{', '.join(names)}: share {shard} written to {folder}, {time.monotonic() - started:.0f} s")
        typer.echo("next: once all shares are written, the same command without --shard checks and completes them")
        return
    build = done
    for name in names:
        record = build.scenarios[name]
        rows = {split: record.splits[split].rows for split in asked.splits}
        missing = {m: sum(made.missing[m] for made in record.splits.values()) for m in build.modalities}
        gone = "".join(f", {m} missing in {count:,}" for m, count in missing.items() if count)
        typer.echo(
            f"{name}: {', '.join(f'{count:,} {split}' for split, count in rows.items())}{gone}"
            f" in {folder.path(name)}, {time.monotonic() - started:.0f} s"
        )
    typer.echo(f"next: avtrain fit {folder.path('manifest.yaml')}")


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
