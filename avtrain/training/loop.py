"""One training loop for all methods. It knows no method's name."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avbuild.errors import UserError
from avbuild.progress import Advance, progress_bar
from avtrain.backbones.checkpointing import compile_blocks, recompute_blocks
from avtrain.backbones.registry import build_backbone
from avtrain.config import FitConfig, RunConfig
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData, Source
from avtrain.data.regimes import train_scenarios
from avtrain.data.shards import content_of, read_rows
from avtrain.device import Machine
from avtrain.distributed.row_sharing import broadcast_from_rank0, broadcast_weights, distribute_calls, gather_rows
from avtrain.evaluation.metrics import accuracy
from avtrain.evaluation.predict import predict, unimodal_accuracy
from avtrain.features.cache import cached
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.registry import build_method
from avtrain.runs.folder import Run, backbone_weights
from avtrain.training.checkpoint import fingerprints_of, restore, state_of
from avtrain.training.optimizer import make_optimizer, schedule
from avtrain.training.tracking import tracking
from avtrain.training.weight_averaging import WeightAverage, renew_statistics


def fit(
    run: Run,
    config: RunConfig,
    machine: Machine,
    initial: dict[str, Tensor] | None = None,
    trackers: Sequence[str] = (),
) -> dict[str, Any]:
    """Train, or go on where an earlier start stopped; returns what `result.json` says.

    initial: weights of the run it starts from.  trackers: beside TensorBoard.
    Stopped at any moment and started again, it ends with the same weights on the same CPU.
    """
    settings, manifest = config.fit, config.manifest
    torch.manual_seed(settings.seed)
    names = train_scenarios(settings, manifest)
    # the test split is not opened, unless to show what choosing the epoch on it is worth
    rows = read_rows(manifest, "train"), read_rows(manifest, settings.select_on)
    method = build(config, len(rows[0].classes), rows[0].modalities, initial).to(machine.device)
    optimizer = make_optimizer(method, settings)
    rates = [group["lr"] for group in optimizer.param_groups]

    run.begin(config, machine.device)
    data = [MultimodalData(part, manifest, method.backbone.frontend, names, draws=settings.draws) for part in rows]
    started = time.monotonic()
    train = cached(method, data[0].at(1), machine, settings.precision)
    validation = cached(method, data[1], machine, settings.precision)
    prepared = time.monotonic() - started
    machine.forget_peak_memory()  # that of the cache is not the training's
    average = WeightAverage()
    content = content_of(manifest, ("train", settings.select_on))
    fingerprints = fingerprints_of(method, content)
    done, best = restore(run, method, optimizer, average, fingerprints)
    if broadcast_from_rank0(lambda: done) != done:
        raise UserError(f"{run}: not every process finds the same state.pt; all nodes must share this folder")
    broadcast_weights(method)
    if method.backbone.rows_independent:
        distribute_calls(method, method.by_rows)
    total = (settings.epochs - done) * (len(train) + len(names) * len(validation))
    label = f"{settings.method} seed {settings.seed}"
    with tracking(run, config, done, trackers) as track, progress_bar(label, total) as advance:
        for epoch in range(done + 1, settings.epochs + 1):
            started = time.monotonic()
            loss = train_epoch(method, train.at(epoch), epoch, optimizer, rates, settings, machine, advance)
            if not math.isfinite(loss):
                raise UserError(f"{run}: the loss is {loss} in epoch {epoch}; try a lower --lr than {settings.lr:g}")
            if 0 < settings.average_from <= epoch:
                average.add(method)
            with average.applied(method):
                if average.count:
                    with machine.autocast(settings.precision):
                        renew_statistics(method, _batches(train.at(epoch), settings, machine))
                trained = time.monotonic() - started
                scores, unimodal = validate(method, validation, names, settings, machine, advance)
                mean = float(np.mean(list(scores.values())))
                if mean > best["accuracy"]:  # the first of equals stays
                    best = {"epoch": epoch, "accuracy": mean}
                    run.save_weights(method.state_dict())
            seconds = {"train": round(trained, 3), "all": round(time.monotonic() - started, 3)}
            line = {"epoch": epoch, "loss": loss, "validation": scores, "mean": mean, "seconds": seconds} | {
                "selected_on": settings.select_on,  # what "validation" are scores of
                "unimodal": unimodal,
                "gradient_norms": mean_gradient_norms(method),
                "learning_rate": optimizer.param_groups[0]["lr"],  # of the last step
            }
            run.log(line)
            track(line)
            run.save_state(state_of(method, optimizer, average, fingerprints, epoch, best))
    result = {
        "best_epoch": best["epoch"],
        "selected_on": settings.select_on,
        "validation": best["accuracy"],
        **count_parameters(method),
        "cache_seconds": round(prepared, 3),
        "peak_memory": machine.peak_memory(),
        "classes": list(rows[0].classes),  # what a prediction's numbers mean
        "modalities": list(rows[0].modalities),  # what the backbone was built for
        "content": content,  # of the data, by split
    }
    run.finish(result)
    return result


def build(config: RunConfig, classes: int, modalities: tuple[str, ...], initial: dict[str, Tensor] | None) -> Method:
    """The method on its backbone, as training begins.  initial: weights of the run it starts from."""
    settings, weights = config.fit, initial and backbone_weights(initial)
    backbone = build_backbone(settings.backbone, settings.backbone_options, weights, modalities)
    scenarios = len(config.manifest.scenarios)
    method = build_method(settings.method, settings.method_options, backbone, classes, scenarios)
    method.inherit(initial or {})
    if settings.checkpointing:
        recompute_blocks(backbone)
    if settings.compile:
        compile_blocks(backbone)
    return method


def train_epoch(
    method: Method,
    data: Source,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    rates: Sequence[float],
    settings: FitConfig,
    machine: Machine,
    advance: Advance,
) -> float:
    """Once through the data; returns the mean loss.  rates: the full learning rate of each parameter group."""
    method.train()
    losses: list[Tensor] = []
    steps = math.ceil(len(data) / settings.batch_size)
    for loaded in data.batches(settings.batch_size, settings.seed, machine.loading):
        batch = gather_rows(loaded.to(machine.device))
        method.progress = TrainingProgress(epoch, settings.epochs, len(losses), steps)
        factor = schedule((epoch - 1) * steps + len(losses), settings.epochs * steps, settings.warmup)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        with machine.autocast(settings.precision):
            losses.append(method.training_step(batch, optimizer))
        advance(len(batch))
    return torch.stack(losses).mean().item()


def _batches(data: Source, settings: FitConfig, machine: Machine) -> Iterator[Batch]:
    for loaded in data.batches(settings.batch_size, settings.seed, machine.loading):
        yield gather_rows(loaded.to(machine.device))


def validate(
    method: Method,
    data: Source,
    scenarios: Sequence[str],
    settings: FitConfig,
    machine: Machine,
    advance: Advance,
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Accuracy on the split that selects under each scenario, what the best epoch is chosen by; and that of each
    modality's own scores, where the method defines them.
    """
    scores, unimodal = {}, {}
    for name in scenarios:
        outputs = predict(method, data.under(name), settings.batch_size, machine, settings.precision)
        scores[name] = accuracy(outputs.logits.argmax(axis=1), outputs.labels)
        unimodal[name] = unimodal_accuracy(outputs)
        advance(len(data))
    return scores, unimodal


def mean_gradient_norms(method: Method) -> dict[str, float]:
    """Of each modality's encoder over the backward passes of an epoch; the method counts anew then."""
    norms = {m: torch.stack(each).mean().item() for m, each in method.gradient_norms.items()}
    method.gradient_norms.clear()
    return norms


def count_parameters(method: Method) -> dict[str, int]:
    """Trainable and all weights."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in method.parameters()]
    return {
        "trainable_parameters": sum(size for size, trained in sizes if trained),
        "parameters": sum(size for size, _ in sizes),
    }
