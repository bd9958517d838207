"""Everything that a training builds before its first step: the method, its data, its ranks."""

from torch import Tensor

from avbuild.dataset.splits import Split
from avbuild.errors import UserError
from avtrain.backbones.checkpointing import compile_blocks, recompute_blocks
from avtrain.backbones.registry import build_backbone
from avtrain.config import FitConfig, RunConfig
from avtrain.data.augmentation import Augmentation
from avtrain.data.batch_source import BatchSource
from avtrain.data.dataset import MultimodalData
from avtrain.data.regimes import train_scenarios
from avtrain.data.samples import Rows
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.distributed.row_sharing import (
    broadcast_from_rank0,
    broadcast_weights,
    distribute_calls,
    is_rank0,
)
from avtrain.features.cache import cached_source
from avtrain.methods.base import Method
from avtrain.methods.registry import build_method
from avtrain.runs.folder import Run
from avtrain.runs.weights import backbone_weights
from avtrain.training.checkpoint import TrainingState


def build_from_config(
    config: RunConfig, classes: int, modalities: tuple[str, ...], initial: dict[str, Tensor] | None
) -> Method:
    """Build a method on its backbone, with the weights that training starts from.

    Args:
        config: of the run.
        classes: number of classes.
        modalities: of the data set, in its order.
        initial: weights of the run to start from; None: the backbone's own.
    """
    settings, weights = config.fit, initial and backbone_weights(initial)
    backbone = build_backbone(settings.backbone, settings.backbone_options, weights, modalities)
    scenarios = len(config.manifest.scenarios)
    method = build_method(settings.method, settings.method_options, backbone, classes, scenarios)
    method.initialise()
    method.load_initial_weights(initial or {})
    if settings.checkpointing:
        recompute_blocks(backbone)
    if settings.compile:
        compile_blocks(backbone)
    return method


def read_train_rows(config: RunConfig, machine: Machine) -> Rows:
    """Read the rows that a run is trained on: the training split, or that and the validation split."""
    rows = read_rows(config.manifest, "train", machine.row_cache)
    if config.fit.train_split == "train":
        return rows
    return rows.joined(read_rows(config.manifest, "validation", machine.row_cache))


def splits_read(settings: FitConfig) -> tuple[Split, ...]:
    """Return the splits that training reads, each once: those it is trained on, and the one that selects."""
    also: tuple[Split, ...] = () if settings.train_split == "train" else ("validation",)
    return ("train", *also, settings.select_on)


def prepare_data(rows: Rows, config: RunConfig, method: Method, machine: Machine, *, epoch: int) -> BatchSource:
    """Return the rows as the method reads them, with tokens from the feature cache where they can be cached.

    Args:
        rows: of one split.
        config: of the run.
        method: whose front end and frozen backbone are used.
        machine: device and folder of the cache; tokens that are not cached yet are computed now.
        epoch: 0 for data as they are evaluated; from 1 for training, which draws its corruptions afresh.
    """
    settings = config.fit
    scenarios = train_scenarios(settings, config.manifest)
    augment = Augmentation(settings.seed) if settings.augment == "crop-flip" and epoch > 0 else None
    data = MultimodalData(
        rows,
        config.manifest,
        method.backbone.frontend,
        scenarios,
        epoch,
        settings.draws,
        augment=augment,
        augment_spectrogram=method.spectrogram_augmentation(settings.seed) if epoch > 0 else None,
    )
    return cached_source(method, data, machine, settings.precision)


def synchronise_ranks(run: Run, state: TrainingState) -> None:
    """Give every rank the weights of rank 0, and each its share of the rows; alone, nothing changes.

    Raises:
        UserError: the ranks do not see the same `state.pt`.
    """
    if broadcast_from_rank0(lambda: state.epoch) != state.epoch:
        raise UserError(f"{run}: not every process finds the same state.pt; all nodes must share this folder")
    broadcast_weights(state.method)
    if state.method.backbone.rows_independent:
        distribute_calls(state.method, state.method.rowwise_calls)


def load_best(run: Run, method: Method) -> None:
    """Give the method, on every rank, the weights of the run's best epoch."""
    if is_rank0():
        method.load_run_weights(run.weights())
    broadcast_weights(method)


def count_parameters(method: Method) -> dict[str, int]:
    """Return the number of trainable and of all parameters, with fitted values, as `result.json` names them."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in method.parameters()]
    sizes += [(value.numel(), True) for value in method.fitted_values()]
    return {
        "trainable_parameters": sum(size for size, trained in sizes if trained),
        "parameters": sum(size for size, _ in sizes),
    }
