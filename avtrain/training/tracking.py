"""Following a training: TensorBoard files in every run, and Weights & Biases or Trackio where asked for."""

import importlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from avbuild.errors import UsageError, UserError
from avtrain.config import RunConfig
from avtrain.runs.folder import Run

LogEpoch = Callable[[Mapping[str, Any]], None]


class Tracker(Protocol):
    """Something that is told the numbers of each epoch."""

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Take in the numbers of an epoch, by name."""

    def close(self) -> None:
        """Write what is still to be written."""


class TensorBoardTracker:
    """Event files in RUN/tensorboard.  What an earlier start logged behind the epochs `done` is taken back."""

    def __init__(self, run: Run, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(run.folder / "tensorboard", purge_step=done + 1)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()  # whoever looks on sees whole epochs, and a killed run keeps them

    def close(self) -> None:
        self.writer.close()


class HostedTracker:
    """A run of Weights & Biases or of Trackio, which have the same calls.

    A run that is resumed goes on under the identity it was given at its first start.
    """

    def __init__(self, package: str, run: Run, config: RunConfig) -> None:
        self.run = HOSTED[package](importlib.import_module(package), run, config)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.run.log(dict(metrics), step=epoch)

    def close(self) -> None:
        self.run.finish()


def _wandb(wandb: Any, run: Run, config: RunConfig) -> Any:
    label, identity = _names(run)
    try:
        return wandb.init(
            project=config.manifest.name,
            name=label,
            id=identity,
            resume="allow",
            dir=run.folder,
            config=config.fit.model_dump(),
        )
    except wandb.errors.Error as error:
        raise UserError(f"--track wandb: {error}\nWANDB_MODE=offline keeps everything in {run}/wandb") from error


def _trackio(trackio: Any, run: Run, config: RunConfig) -> Any:
    label, identity = _names(run)
    return trackio.init(
        project=config.manifest.name, name=f"{label}-{identity}", resume="allow", config=config.fit.model_dump()
    )


HOSTED: Mapping[str, Callable[[Any, Run, RunConfig], Any]] = {"wandb": _wandb, "trackio": _trackio}


def _names(run: Run) -> tuple[str, str]:
    """What people read, and what tells this run from others of that name."""
    if not (run.folder / "tracking.json").exists():
        run.write_json("tracking.json", {"id": uuid.uuid4().hex[:8]})
    return f"{run.folder.parent.name}-{run.folder.name}", run.read_json("tracking.json")["id"]


def check_trackers(packages: Sequence[str]) -> None:
    """Raises UsageError for one that is not known, UserError for one that is not installed."""
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
    """What takes the line of each epoch, as it stands in metrics.jsonl, to all trackers.

    done: epochs that are behind it.  packages: of those in `HOSTED`, beside TensorBoard.
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
    """The names and values that trackers show of an epoch's line."""
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
