"""Trackers of a training: TensorBoard in every run, and Weights & Biases or Trackio where asked for."""

import importlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from avbuild.errors import UsageError, UserError
from avtrain.config import RunConfig
from avtrain.runs.folder import Run
from avtrain.runs.layout import run_label

LogEpoch = Callable[[Mapping[str, Any]], None]  # takes an epoch's line of metrics.jsonl


class Tracker(Protocol):
    """A place where the scalars of each epoch are logged."""

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the scalars of an epoch, by name."""

    def close(self) -> None:
        """Write what is buffered."""


class TensorBoardTracker:
    """Event files in RUN/tensorboard."""

    def __init__(self, run: Run, done: int) -> None:
        """Open the event files; what a stopped start logged after epoch `done` is removed."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(run.folder / "tensorboard", purge_step=done + 1)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()  # epochs are visible at once, and a killed run keeps them

    def close(self) -> None:
        self.writer.close()


class HostedTracker:
    """A run of Weights & Biases or of Trackio, whose APIs agree; a resumed training continues it by its id."""

    def __init__(self, package: str, run: Run, config: RunConfig) -> None:
        self.run = HOSTED[package](importlib.import_module(package), run, config)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.run.log(dict(metrics), step=epoch)

    def close(self) -> None:
        self.run.finish()


def _wandb(wandb: Any, run: Run, config: RunConfig) -> Any:
    label, run_id = _label_and_id(run)
    try:
        return wandb.init(
            project=config.manifest.name,
            name=label,
            id=run_id,
            resume="allow",
            dir=run.folder,
            config=config.fit.model_dump(),
        )
    except wandb.errors.Error as error:
        raise UserError(f"--track wandb: {error}\nWANDB_MODE=offline keeps everything in {run}/wandb") from error


def _trackio(trackio: Any, run: Run, config: RunConfig) -> Any:
    label, run_id = _label_and_id(run)
    return trackio.init(
        project=config.manifest.name, name=f"{label}-{run_id}", resume="allow", config=config.fit.model_dump()
    )


HOSTED: Mapping[str, Callable[[Any, Run, RunConfig], Any]] = {"wandb": _wandb, "trackio": _trackio}


def _label_and_id(run: Run) -> tuple[str, str]:
    """Return the name that people read, and an id drawn at the first start, which tells runs of one name apart."""
    if not (run.folder / "tracking.json").exists():
        run.write_json("tracking.json", {"id": uuid.uuid4().hex[:8]})
    return run_label(run.folder).replace("/", "-"), run.read_json("tracking.json")["id"]


def check_trackers(packages: Sequence[str]) -> None:
    """Check the values of --track.

    Raises:
        UsageError: a tracker is unknown.
        UserError: its package is not installed.
    """
    for package in packages:
        if package not in HOSTED:
            raise UsageError(f"--track {package}: allowed are {', '.join(HOSTED)}; TensorBoard is always written")
        try:
            version(package)
        except PackageNotFoundError:
            raise UserError(
                f"--track {package}: not installed; install the extra: pip install 'avbuild[{package}]'"
            ) from None


@contextmanager
def tracking(run: Run, config: RunConfig, done: int, packages: Sequence[str]) -> Iterator[LogEpoch]:
    """Open all trackers for the duration of a training.

    Args:
        run: whose epochs are logged.
        config: of the run, shown by hosted trackers.
        done: number of epochs that are finished already.
        packages: names in `HOSTED`, beside TensorBoard.

    Yields:
        A function that logs an epoch's line of metrics.jsonl; it does nothing on ranks that do not write.
    """
    trackers: list[Tracker] = []
    if not run.writes:
        yield lambda _: None
        return
    with ExitStack() as stack:
        trackers.append(TensorBoardTracker(run, done))
        stack.callback(trackers[-1].close)
        for package in packages:
            trackers.append(HostedTracker(package, run, config))
            stack.callback(trackers[-1].close)

        def log(line: Mapping[str, Any]) -> None:
            for tracker in trackers:
                tracker.log(line["epoch"], scalars(line))

        yield log


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the names and values that trackers show.

    Args:
        line: of an epoch, by `Run.metrics`.
    """
    split = line["selected_on"]
    unimodal = {
        f"unimodal/{scenario}/{modality}": accuracy
        for scenario, by_modality in line["unimodal"].items()
        for modality, accuracy in by_modality.items()
    }
    return {
        "loss": line["loss"],
        "learning_rate": line["learning_rate"],
        split: line["mean"],
        **{f"{split}/{scenario}": accuracy for scenario, accuracy in line["selection"].items()},
        **unimodal,
        **{f"gradient_norm/{modality}": norm for modality, norm in line["gradient_norms"].items()},
        **{f"seconds/{part}": seconds for part, seconds in line["seconds"].items()},
    }
