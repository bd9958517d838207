"""`avtrain pretrain`: train CAV-MAE itself on clean pairs, without labels.  Gong et al., ICLR 2023.

A folder like a run's, but with `pretrain.json` for its configuration, as it is no classifier; at the end it has
`cav-mae.safetensors` in the published layout, decoder and all.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from avbuild.errors import UserError
from avbuild.frozen import Frozen
from avbuild.progress import Advance, progress_bar
from avbuild.scenarios.manifest import Manifest
from avtrain.backbones.cav_mae import CavMae, CavMaeConfig
from avtrain.backbones.cav_mae_checkpoint import to_official
from avtrain.data.dataset import MultimodalData
from avtrain.data.regimes import clean_scenario
from avtrain.data.shards import Rows, read_rows
from avtrain.device import Machine
from avtrain.pretraining.masked_autoencoder import DecoderShape, MaskedAutoencoder, draw_visible
from avtrain.runs.folder import Run, environment
from avtrain.runs.guards import require_same_configuration
from avtrain.training.optimizer import schedule
from avtrain.training.random_state import random_state, restore_random_state

WEIGHTS = "cav-mae.safetensors"
FILES = ("state.pt", "metrics.jsonl", "env.json", "result.json", WEIGHTS, "pretrain.json")  # the last says there is one
DECODERS = {"base": DecoderShape(8, 512, 16), "small": DecoderShape(4, 256, 8), "tiny": DecoderShape(2, 128, 4)}
CLIP_NORM = 1.0  # of all gradients together
BETAS = (0.9, 0.95)  # He et al., CVPR 2022: a shorter memory of squared gradients than Adam's own


class PretrainConfig(Frozen):
    """All that decides the weights, but for the data."""

    backbone: CavMaeConfig
    decoder_layers: int | None = Field(None, ge=1, description="of the decoder; by size: 8, 4, 2")
    hidden: float = Field(0.75, gt=0, lt=1, description="part of each modality's patches that is masked")
    contrast: float = Field(0.01, ge=0, description="weight of the contrastive loss; the others have 1")
    temperature: float = Field(0.05, gt=0, description="that the cosines of the contrast are divided by")
    epochs: int = Field(25, ge=1)
    batch_size: int = Field(32, ge=2)
    lr: float = Field(5e-4, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0


def pretrain(run: Run, config: PretrainConfig, manifest: Manifest, machine: Machine) -> dict[str, Any]:
    """Train, or go on where an earlier start stopped; returns what `result.json` says.

    Stopped at any moment and started again, it ends with the same weights on the same CPU.
    """
    torch.manual_seed(config.seed)
    model = build(config).to(machine.device)
    data = MultimodalData(paired_rows(manifest), manifest, model.backbone.frontend, (clean_scenario(manifest),))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.lr, betas=BETAS, weight_decay=config.weight_decay)
    run.write_json("pretrain.json", described(config, manifest))
    run.write_json("env.json", environment(machine.device))

    done = _restore(run, model, optimizer)
    with progress_bar(f"pretrain seed {config.seed}", (config.epochs - done) * len(data)) as advance:
        for epoch in range(done + 1, config.epochs + 1):
            started = time.monotonic()
            losses = train_epoch(model, data.at(epoch), optimizer, config, machine, advance)
            if not math.isfinite(losses["loss"]):
                raise UserError(f"{run}: the loss is {losses['loss']} in epoch {epoch}; try a lower --lr")
            run.log({"epoch": epoch, **losses, "seconds": round(time.monotonic() - started, 3)})
            run.save_state(_state(model, optimizer, epoch))
    run.save_weights(to_official(model.state_dict()), WEIGHTS)
    result = {"loss": run.metrics()[-1]["loss"], "parameters": sum(weight.numel() for weight in model.parameters())}
    run.finish(result)
    return result


def pretrain_run(run: Run, config: PretrainConfig, manifest: Manifest, machine: Machine, resume: str) -> str:
    """Pretrain to the end, from where it is; returns a line that says how it went.  resume: as for `fit_run`."""
    begun = (run.folder / "pretrain.json").exists()
    if run.begun:
        raise UserError(f"{run}: holds a run of avtrain fit; choose another --out")
    if begun and resume == "never":
        raise UserError(f"{run}: holds a pretraining already; --resume auto finishes it, restart begins anew")
    if begun and resume == "restart":
        for name in FILES:  # whatever else is there was not put there by us
            (run.folder / name).unlink(missing_ok=True)
    elif begun:
        check_same(run, config, manifest)
    if run.finished:
        return f"{run}: finished already, loss {run.read_json('result.json')['loss']:.3f}"
    result = pretrain(run, config, manifest, machine)
    return f"{run}: loss {result['loss']:.3f} after {config.epochs} epochs, {result['parameters']:,} parameters"


def build(config: PretrainConfig) -> MaskedAutoencoder:
    """The model, its encoders random or from a checkpoint.  Raises UserError."""
    shape = DECODERS[config.backbone.size]
    return MaskedAutoencoder(CavMae(config.backbone), replace(shape, layers=config.decoder_layers or shape.layers))


def paired_rows(manifest: Manifest) -> Rows:
    """The training split's clean samples that have both modalities.  Raises UserError where there is none."""
    rows = read_rows(manifest, "train")
    pairs = [sample for sample in rows.samples if all(m in sample.media for m in CavMae.modalities)]
    if not pairs:
        raise UserError(f"{manifest.dataset}: no training sample has both sound and picture, which pretraining needs")
    alone = [replace(sample, media={m: sample.media[m] for m in CavMae.modalities}) for sample in pairs]
    return replace(rows, samples=alone, modalities=CavMae.modalities)


def train_epoch(
    model: MaskedAutoencoder,
    data: MultimodalData,
    optimizer: torch.optim.Optimizer,
    config: PretrainConfig,
    machine: Machine,
    advance: Advance,
) -> dict[str, float]:
    """Once through the data; returns the means of the whole loss and of its three parts."""
    model.train()
    steps = math.ceil(len(data) / config.batch_size)
    parts: list[Tensor] = []
    for batch in data.batches(config.batch_size, config.seed, machine.loader_options):
        step = (data.epoch - 1) * steps + len(parts)
        for group in optimizer.param_groups:
            group["lr"] = config.lr * schedule(step, config.epochs * steps, config.warmup)
        inputs = batch.to(machine.device).inputs
        visible = draw_visible(model.backbone, len(batch), config.hidden, machine.device)
        with machine.autocast(config.precision):
            losses = model(inputs, visible, config.temperature)
        loss = losses["audio"] + losses["image"] + config.contrast * losses["contrast"]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        parts.append(torch.stack([loss, *losses.values()]).detach())
        advance(len(batch))
    means = torch.stack(parts).mean(dim=0).tolist()
    return dict(zip(("loss", *losses), means, strict=True))


def described(config: PretrainConfig, manifest: Manifest) -> dict[str, Any]:
    """What `pretrain.json` says."""
    written = {"pretrain": config.model_dump(), "manifest": manifest.as_yaml()}
    content: dict[str, Any] = json.loads(json.dumps(written))
    return content


def check_same(run: Run, config: PretrainConfig, manifest: Manifest) -> None:
    """Refuse to continue a pretraining that was begun with other options or another manifest.  Raises UserError."""
    before, asked = run.read_json("pretrain.json"), described(config, manifest)
    compared = [(before[section], asked[section]) for section in asked]
    require_same_configuration(run, compared, holds="a pretraining", choose="--out")


def _state(model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> Mapping[str, Any]:
    return {
        "epoch": epoch,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        **random_state(next(model.parameters()).device),
    }


def _restore(run: Run, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Epochs done."""
    state = run.state()
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    restore_random_state(state, next(model.parameters()).device)
    epoch: int = state["epoch"]
    return epoch
