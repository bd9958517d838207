"""One training loop for all methods. It knows no method's name."""

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avbuild.errors import UsageError, UserError
from avbuild.manifest import Manifest
from avbuild.progress import Advance, progress_bar
from avtrain.averaging import WeightAverage
from avtrain.backbones import build_backbone
from avtrain.config import FitConfig, RunConfig
from avtrain.data import AudioVisualData, batches
from avtrain.methods import Method, build_method
from avtrain.metrics import accuracy
from avtrain.prediction import predict
from avtrain.rows import read_rows
from avtrain.runs import Run, backbone_weights


@dataclass(frozen=True)
class Machine:
    """Where a run computes; decides speed and rounding, nothing else."""

    device: torch.device
    workers: int = 0

    def autocast(self, precision: str) -> AbstractContextManager[None]:
        """bfloat16 where asked for."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16")


def fit(run: Run, config: RunConfig, machine: Machine, initial: dict[str, Tensor] | None = None) -> dict[str, Any]:
    """Train, or go on where an earlier start stopped; returns what `result.json` says.

    initial: weights of the run it starts from.  Stopped at any moment and started again, it ends with the same
    weights on the same CPU.
    """
    settings, manifest = config.fit, config.manifest
    torch.manual_seed(settings.seed)
    names = train_scenarios(settings, manifest)
    rows = read_rows(manifest, "train"), read_rows(manifest, "validation")  # the test split is not opened
    backbone = build_backbone(settings.backbone, settings.backbone_options, initial and backbone_weights(initial))
    train, validation = (AudioVisualData(part, manifest, backbone.frontend, names) for part in rows)
    classes, scenarios = len(train.rows.classes), len(manifest.scenarios)
    method = build_method(settings.method, settings.method_options, backbone, classes, scenarios)
    method.inherit(initial or {})
    method.to(machine.device)
    optimizer = torch.optim.AdamW(method.parameter_groups(settings.lr), weight_decay=settings.weight_decay)
    rates = [group["lr"] for group in optimizer.param_groups]

    run.begin(config, machine.device)
    average = WeightAverage()
    done, best = _restore(run, method, optimizer, average)
    total = (settings.epochs - done) * (len(train) + len(names) * len(validation))
    with progress_bar(f"{settings.method} seed {settings.seed}", total) as advance:
        for epoch in range(done + 1, settings.epochs + 1):
            started = time.monotonic()
            loss = train_epoch(method, replace(train, epoch=epoch), optimizer, rates, settings, machine, advance)
            if not math.isfinite(loss):
                raise UserError(f"{run}: the loss is {loss} in epoch {epoch}; try a lower --lr than {settings.lr:g}")
            trained = time.monotonic() - started
            if 0 < settings.average_from <= epoch:
                average.add(method)
            with average.applied(method):
                scores = validate(method, validation, settings, machine, advance)
                mean = float(np.mean(list(scores.values())))
                if mean > best["accuracy"]:  # the first of equals stays
                    best = {"epoch": epoch, "accuracy": mean}
                    run.save_weights(method.state_dict())
            seconds = {"train": round(trained, 3), "all": round(time.monotonic() - started, 3)}
            run.log({"epoch": epoch, "loss": loss, "validation": scores, "mean": mean, "seconds": seconds})
            run.save_state(_state(method, optimizer, average, epoch, best))
    result = {"best_epoch": best["epoch"], "validation": best["accuracy"], **count_parameters(method)}
    run.write_json("result.json", result)
    return result


def train_epoch(
    method: Method,
    data: AudioVisualData,
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
    pin = machine.device.type == "cuda"
    for batch in batches(data, settings.batch_size, shuffle_seed=settings.seed, workers=machine.workers, pin=pin):
        factor = schedule((data.epoch - 1) * steps + len(losses), settings.epochs * steps, settings.warmup)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        with machine.autocast(settings.precision):
            losses.append(method.training_step(batch.to(machine.device), optimizer))
        advance(len(batch))
    return torch.stack(losses).mean().item()


def train_scenarios(settings: FitConfig, manifest: Manifest) -> tuple[str, ...]:
    """What training draws from, and validation is measured on."""
    if settings.train_on == "scenarios":
        return tuple(manifest.scenarios)
    return (clean_scenario(manifest),)


def clean_scenario(manifest: Manifest) -> str:
    """The manifest's first scenario without plans.  Raises UsageError where it has none."""
    clean = [name for name, scenario in manifest.scenarios.items() if scenario.clean]
    if not clean:
        raise UsageError(f"{manifest.name}: training on clean data needs a scenario without plans, such as  C: {{}}")
    return clean[0]


def validate(
    method: Method, data: AudioVisualData, settings: FitConfig, machine: Machine, advance: Advance
) -> dict[str, float]:
    """Accuracy on the validation split under each scenario; what the best epoch is chosen by."""
    scores = {}
    for name in train_scenarios(settings, data.manifest):
        under = replace(data, scenarios=(name,))
        outputs = predict(
            method,
            under,
            settings.batch_size,
            machine.device,
            lambda: machine.autocast(settings.precision),
            machine.workers,
        )
        scores[name] = accuracy(outputs.logits.argmax(axis=1), outputs.labels)
        advance(len(data))
    return scores


def schedule(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate: a straight rise, then half a cosine to zero."""
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))


def count_parameters(method: Method) -> dict[str, int]:
    """Trainable and all weights."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in method.parameters()]
    return {
        "trainable_parameters": sum(size for size, trained in sizes if trained),
        "parameters": sum(size for size, _ in sizes),
    }


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.  Raises UsageError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda") and not name.startswith("cuda:"):
        raise UsageError(f"--device {name}: allowed are auto, cpu, cuda, cuda:N")
    if name != "cpu" and not torch.cuda.is_available():
        raise UsageError(f"--device {name}: no CUDA device is available here; use --device cpu or auto")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """`auto` is bf16 on a CUDA device that has it, else fp32."""
    allowed: Sequence[str] = ("auto", "fp32", "bf16")
    if name not in allowed:
        raise UsageError(f"--precision {name}: allowed are {', '.join(allowed)}")
    if name == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return name


def _state(
    method: Method, optimizer: torch.optim.Optimizer, average: WeightAverage, epoch: int, best: dict[str, Any]
) -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "epoch": epoch,
        "best": best,
        "method": method.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.state(),
        "random": torch.get_rng_state(),
        "random_cuda": cuda,
    }


def _restore(
    run: Run, method: Method, optimizer: torch.optim.Optimizer, average: WeightAverage
) -> tuple[int, dict[str, Any]]:
    """Epochs done, and the best so far."""
    state = run.state()
    if state is None:
        return 0, {"epoch": 0, "accuracy": -1.0}
    method.load_state_dict(state["method"])
    optimizer.load_state_dict(state["optimizer"])
    average.restore(state["average"]["count"], state["average"]["mean"], next(method.parameters()).device)
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])
    return state["epoch"], state["best"]
