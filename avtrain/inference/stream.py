"""`avtrain predict` on folders: their samples are a stream, which an adapter may learn from without labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from avbuild.errors import UsageError, UserError, listed
from avtrain.data.batch import Batch
from avtrain.device import Machine
from avtrain.evaluation.adaptation.registry import build_adapter, find_adapter
from avtrain.evaluation.adaptation.run_source import source_of_run
from avtrain.evaluation.evaluate import inference_modes
from avtrain.inference.classifier_output import ClassifierOutput
from avtrain.inference.loaded_run import LoadedRun, start_inference
from avtrain.inference.media import read_media
from avtrain.inference.predictor import describe_outputs, make_batch

StreamSample = tuple[str, dict[str, Path]]  # name, and files by modality


def find_samples(folders: Mapping[str, Path]) -> list[StreamSample]:
    """Return the samples of folders in order of name; files of different folders with one name are one sample.

    Args:
        folders: by modality; a sample without a file in one of them lacks the modality.

    Raises:
        UsageError: a place is not a folder, or a folder has two files of one name.
        UserError: there are no files.
    """
    if single := [f"--{modality} {place}" for modality, place in folders.items() if not place.is_dir()]:
        raise UsageError(f"{', '.join(single)}: not a folder; give folders for a stream, or files for one sample")
    found: dict[str, dict[str, Path]] = {}
    for modality, folder in folders.items():
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                files = found.setdefault(path.stem, {})
                if modality in files:
                    raise UsageError(
                        f"{folder}: {files[modality].name} and {path.name} are both {modality} of the sample "
                        f"{path.stem}; keep one of them\n{listed([files[modality], path])}"
                    )
                files[modality] = path
    if not found:
        raise UserError(f"{', '.join(map(str, folders.values()))}: no files there")
    return sorted(found.items())


def classify_stream(
    loaded: LoadedRun,
    samples: Sequence[StreamSample],
    adapt: str,
    batch: int,
    machine: Machine,
    abstain_below: float = 0.0,
) -> Iterator[tuple[StreamSample, ClassifierOutput]]:
    """Classify the samples of a stream in order, adapting.

    Args:
        loaded: the run.
        samples: by `find_samples`.
        adapt: name of the adapter.
        batch: number of samples that are classified, and adapted to, together.
        machine: where it is computed.
        abstain_below: as for `classify_batch`.

    Yields:
        Each sample with its classification.

    Raises:
        UsageError: the adapter is unknown, or does not fit the run.
        UserError: a file cannot be read.
    """
    find_adapter(adapt)
    scenario = start_inference(loaded, None)
    if loaded.method.inference not in inference_modes(loaded.method, scenario_known=False):
        raise UsageError(
            f"--adapt {adapt}: {loaded.method.name} must be given the scenario, which a stream does not say"
        )
    source = source_of_run(loaded.run, loaded.config, loaded.method, machine, loaded.config.fit.precision)
    adapter = build_adapter(adapt, loaded.method, source)
    adapter.reset("predict")
    for start in range(0, len(samples), batch):
        part = samples[start : start + batch]
        made = join([make_batch(loaded, read_media(files), scenario) for _, files in part])
        made = replace(made, ids=tuple(name for name, _ in part)).to(machine.device)
        yield from zip(part, describe_outputs(loaded, made, adapter(made), scenario, abstain_below), strict=True)


def join(batches: Sequence[Batch]) -> Batch:
    """Return batches of inputs as one."""
    first = batches[0]
    return Batch(
        inputs={m: torch.cat([batch.inputs[m] for batch in batches]) for m in first.inputs},
        present={m: torch.cat([batch.present[m] for batch in batches]) for m in first.present},
        labels=torch.cat([batch.labels for batch in batches]),
        scenario=torch.cat([batch.scenario for batch in batches]),
        ids=tuple(name for batch in batches for name in batch.ids),
    )
