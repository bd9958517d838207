"""The training loop, one for all methods; nothing in it depends on the method."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avbuild.progress import Advance, progress_bar
from avtrain.config import FitConfig, RunConfig
from avtrain.data.batch import Batch
from avtrain.data.batch_source import BatchSource
from avtrain.data.regimes import train_scenarios
from avtrain.data.shards import content_of, read_rows
from avtrain.device import Machine
from avtrain.distributed.row_sharing import broadcast_values, gather_rows
from avtrain.evaluation.calibration import KEY
from avtrain.frontends.base import version_of
from avtrain.methods.base import Method, TrainingProgress
from avtrain.runs.folder import Run
from avtrain.runs.masks import save_masks
from avtrain.runs.weights import Diverged, require_finite
from avtrain.training.calibration import calibrate_trained
from avtrain.training.checkpoint import INITIAL_WEIGHTS, TrainingState, fingerprints_of, trained_state
from avtrain.training.masks import training_masks
from avtrain.training.optimizer import make_optimizer, schedule
from avtrain.training.saving import EpochSaver
from avtrain.training.selection import pop_mean_gradient_norms, score_selection
from avtrain.training.setup import (
    build_from_config,
    count_parameters,
    prepare_data,
    read_train_rows,
    splits_read,
    synchronise_ranks,
)
from avtrain.training.text_lengths import report_cut_texts
from avtrain.training.tracking import tracking
from avtrain.training.weight_averaging import update_batch_norm


def fit(
    run: Run,
    config: RunConfig,
    machine: Machine,
    initial: dict[str, Tensor] | None = None,
    trackers: Sequence[str] = (),
) -> dict[str, Any]:
    """Train a run to its last epoch, continuing after the last one that was saved.

    A run that was stopped at any moment and is started again ends with the same weights, on the same CPU.

    Args:
        run: folder that gets configuration, log, weights and result.
        config: options of the training, and the manifest of its data.
        machine: device, loader processes and feature cache.
        initial: weights of the run to start from; None: the backbone's own.
        trackers: hosted trackers to log to, beside TensorBoard.

    Returns:
        The content of `result.json`.

    Raises:
        Diverged: the loss is not finite.
        UserError: data or frozen weights are not those the run was begun with.
    """
    settings, manifest, machine = config.fit, config.manifest, replace(machine, run=run.folder)
    torch.manual_seed(settings.seed)
    scenarios = train_scenarios(settings, manifest)
    train_rows = read_train_rows(config, machine)
    selection_rows = read_rows(manifest, settings.select_on, machine.row_cache)  # test only with --select-on-test
    method = build_from_config(config, len(train_rows.classes), train_rows.modalities, initial).to(machine.device)
    optimizer = make_optimizer(method, settings)
    cut_texts = report_cut_texts(method.backbone.frontend, train_rows)
    started = time.monotonic()
    train_data = prepare_data(train_rows, config, method, machine, epoch=1)
    selection_data = prepare_data(selection_rows, config, method, machine, epoch=0)
    cache_seconds = time.monotonic() - started
    machine.reset_peak_memory()  # building the cache does not count

    content = content_of(manifest, splits_read(settings))
    state = TrainingState(method, optimizer, fingerprints_of(method, content, initial))
    state.restore(run)
    run.begin(config, machine.device)
    synchronise_ranks(run, state)
    if state.epoch == 0:
        with machine.autocast(settings.precision):
            _fit_whole_split(method, method.begin_training, train_data.at(1), settings, machine)

    masks = training_masks(settings, manifest, {settings.train_split: train_rows, settings.select_on: selection_rows})

    saver = EpochSaver(run, machine, state)
    total = (settings.epochs - state.epoch) * (len(train_data) + len(scenarios) * len(selection_data))
    label = f"{settings.method} seed {settings.seed}"
    with tracking(run, config, state.epoch, trackers) as track, progress_bar(label, total) as advance:
        while state.epoch < settings.epochs:
            line = _run_epoch(run, saver, state, train_data, selection_data, scenarios, settings, machine, advance)
            track(line)
            saver.epoch(line, state, last=state.epoch == settings.epochs)
    calibration = calibrate_trained(run, method, selection_data, scenarios, settings, machine)
    result = {
        "best_epoch": state.best["epoch"],
        "selected_on": settings.select_on,
        "validation": state.best["accuracy"],
        **count_parameters(method),
        "cache_seconds": round(cache_seconds, 3),
        "peak_memory": machine.peak_memory(),
        "classes": list(train_rows.classes),  # names of the logits
        "modalities": list(train_rows.modalities),  # those that the backbone was built for
        "frontend_version": version_of(method.backbone.frontend),
        **cut_texts,
        "content": content,  # digest of the rows of each split
        "initial": state.fingerprints.get(INITIAL_WEIGHTS),  # digest of the weights of --init-from
        KEY: calibration and calibration.model_dump(mode="json"),
        **save_masks(run, masks),
    }
    run.finish(result)
    return result


def _run_epoch(
    run: Run,
    saver: EpochSaver,
    state: TrainingState,
    train_data: BatchSource,
    selection_data: BatchSource,
    scenarios: Sequence[str],
    settings: FitConfig,
    machine: Machine,
    advance: Advance,
) -> dict[str, Any]:
    """Train one epoch, score it, and keep the weights where it is the best so far; returns its line of the log."""
    method, epoch = state.method, state.epoch + 1
    started = time.monotonic()
    loss = train_epoch(state, train_data.at(epoch), epoch, settings, machine, advance)
    if not math.isfinite(loss):
        raise Diverged(f"{run}: the loss is {loss} in epoch {epoch}; try a lower --lr than {settings.lr:g}")
    require_finite(trained_state(method), f"{run}: epoch {epoch}")  # the last step comes after the last loss
    if 0 < settings.average_from <= epoch:
        state.average.add(method)
    with state.average.applied(method):
        if state.average.count:
            with machine.autocast(settings.precision):
                update_batch_norm(method, _batches(train_data.at(epoch), settings, machine))
            require_finite(trained_state(method), f"{run}: the average after epoch {epoch}")
        with machine.autocast(settings.precision):
            _fit_whole_split(method, method.end_epoch, train_data.at(epoch), settings, machine)
        fitted = {str(number): value for number, value in enumerate(method.fitted_values())}
        require_finite(fitted, f"{run}: what was fitted after epoch {epoch}")
        train_seconds = time.monotonic() - started
        scores, unimodal = score_selection(method, selection_data, scenarios, settings, machine, advance)
        mean = float(np.mean(list(scores.values())))
        if mean > state.best["accuracy"]:  # of equal epochs the first stays
            state.best = {"epoch": epoch, "accuracy": mean}
            saver.best(method)
    state.epoch = epoch
    return {
        "epoch": epoch,
        "loss": loss,
        "selection": scores,  # accuracy per scenario on the split `selected_on`
        "mean": mean,  # of these; it selects the best epoch
        "seconds": {"train": round(train_seconds, 3), "all": round(time.monotonic() - started, 3)},
        "selected_on": settings.select_on,
        "unimodal": unimodal,
        "gradient_norms": pop_mean_gradient_norms(method),
        "learning_rate": state.optimizer.param_groups[0]["lr"],  # of the last step
    }


def train_epoch(
    state: TrainingState,
    data: BatchSource,
    epoch: int,
    settings: FitConfig,
    machine: Machine,
    advance: Advance,
) -> float:
    """Train once through the data.

    Args:
        state: the method and its optimizer, both changed.
        data: the training split in this epoch.
        epoch: from 1.
        settings: batch size, schedule, precision and seed.
        machine: where it is computed.
        advance: called with the number of samples after each step.

    Returns:
        The mean loss over the steps.
    """
    method, optimizer = state.method, state.optimizer
    method.train()
    losses: list[Tensor] = []
    steps = math.ceil(len(data) / settings.batch_size)
    decay_at = settings.decay_at if settings.schedule == "step" else None
    for batch in _batches(data, settings, machine):
        method.progress = TrainingProgress(epoch, settings.epochs, len(losses), steps)
        factor = schedule((epoch - 1) * steps + len(losses), settings.epochs * steps, settings.warmup, decay_at)
        for group, rate in zip(optimizer.param_groups, state.full_rates, strict=True):
            group["lr"] = rate * factor
        with machine.autocast(settings.precision):
            losses.append(method.training_step(batch, optimizer))
        advance(len(batch))
    return torch.stack(losses).mean().item()


def _fit_whole_split(
    method: Method,
    fit_batches: Callable[[Iterable[Batch]], None],
    data: BatchSource,
    settings: FitConfig,
    machine: Machine,
) -> None:
    """Call `begin_training` or `end_epoch` of a method; the data are loaded only if the method reads them."""
    method.eval()
    fit_batches(_batches(data, settings, machine, shuffled=False))
    broadcast_values(method.fitted_values())


def _batches(data: BatchSource, settings: FitConfig, machine: Machine, shuffled: bool = True) -> Iterator[Batch]:
    """Yield batches on the machine's device, with all rows on every rank."""
    for loaded in data.batches(settings.batch_size, settings.seed if shuffled else None, machine.loader_options):
        yield gather_rows(loaded.to(machine.device))
