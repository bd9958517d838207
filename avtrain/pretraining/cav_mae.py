"""`avtrain pretrain`: train CAV-MAE on clean pairs without labels.  Gong et al., ICLR 2023.

Losses, masks, optimizer and augmentation are those of the released code.  The learning rate with its rise and cosine,
and the clipping of gradients, are not.

The folder is like that of a run, with `pretrain.json` for the configuration.  At the end it has `cav-mae.safetensors`
in the published layout, with the decoder.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from avbuild.errors import UserError
from avbuild.progress import Advance, progress_bar
from avbuild.scenarios.manifest import Manifest
from avtrain.backbones.cav_mae import CavMae
from avtrain.backbones.cav_mae_checkpoint import to_official
from avtrain.data.dataset import MultimodalData
from avtrain.data.regimes import clean_scenario
from avtrain.data.row_cache import RowCache
from avtrain.data.samples import Rows
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.frontends.spectrogram_augmentation import SpectrogramAugmentation
from avtrain.pretraining.config import WEIGHTS, PretrainConfig, described
from avtrain.pretraining.masked_autoencoder import DecoderShape, MaskedAutoencoder, draw_visible
from avtrain.runs.environment import environment
from avtrain.runs.folder import Run
from avtrain.runs.weights import require_finite
from avtrain.training.optimizer import schedule
from avtrain.training.random_state import random_state, restore_random_state

# by size of the backbone
DECODERS = {"base": DecoderShape(8, 512, 16), "small": DecoderShape(4, 256, 8), "tiny": DecoderShape(2, 128, 4)}
CLIP_NORM = 1.0  # of all gradients together
BETAS = {"adam": (0.95, 0.999), "adamw": (0.9, 0.95)}  # as published; He et al., CVPR 2022


def pretrain(run: Run, config: PretrainConfig, manifest: Manifest, machine: Machine) -> dict[str, Any]:
    """Pretrain to the last epoch, continuing after the last one that was saved.

    A pretraining that was stopped at any moment and is started again ends with the same weights, on the same CPU.

    Args:
        run: folder that gets configuration, log and weights.
        config: of the pretraining.
        manifest: of the data.
        machine: device and loader processes.

    Returns:
        The content of `result.json`.

    Raises:
        UserError: the loss is not finite, or the data have no pairs.
    """
    torch.manual_seed(config.seed)
    model = build(config).to(machine.device)
    rows = paired_rows(manifest, machine.row_cache)
    frontend = model.backbone.frontend
    augment = SpectrogramAugmentation(config.seed, frontend.fill) if config.augment else None
    data = MultimodalData(rows, manifest, frontend, (clean_scenario(manifest),), augment_spectrogram=augment)
    optimizer = make_optimizer(model, config)
    run.write_json("pretrain.json", described(config, manifest))
    run.write_json("env.json", environment(machine.device))

    done = _restore(run, model, optimizer)
    with progress_bar(f"pretrain seed {config.seed}", (config.epochs - done) * len(data)) as advance:
        for epoch in range(done + 1, config.epochs + 1):
            started = time.monotonic()
            losses = train_epoch(model, data.at(epoch), optimizer, config, machine, advance)
            if not math.isfinite(losses["loss"]):
                raise UserError(f"{run}: the loss is {losses['loss']} in epoch {epoch}; try a lower --lr")
            require_finite(model.state_dict(), f"{run}: epoch {epoch}")  # the last step comes after the last loss
            run.log({"epoch": epoch, **losses, "seconds": round(time.monotonic() - started, 3)})
            run.save_state(_state(model, optimizer, epoch))
    run.save_weights(to_official(model.state_dict()), WEIGHTS)
    result = {"loss": run.metrics()[-1]["loss"], "parameters": sum(weight.numel() for weight in model.parameters())}
    run.finish(result)
    return result


def make_optimizer(model: nn.Module, config: PretrainConfig) -> torch.optim.Optimizer:
    """Build the optimizer over the model's trainable parameters."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    make = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return make(trained, lr=config.lr, betas=BETAS[config.optimizer], weight_decay=config.decay)


def build(config: PretrainConfig) -> MaskedAutoencoder:
    """Build the model, its encoders random or from a checkpoint.  Raises UserError where that does not fit."""
    shape = DECODERS[config.backbone.size]
    return MaskedAutoencoder(CavMae(config.backbone), replace(shape, layers=config.decoder_layers or shape.layers))


def paired_rows(manifest: Manifest, cache: RowCache) -> Rows:
    """Read the clean samples of the training split that have both audio and image.

    Raises:
        UserError: there is none.
    """
    rows = read_rows(manifest, "train", cache)
    pairs = [index for index, sample in enumerate(rows.samples) if all(m in sample.media for m in CavMae.modalities)]
    if not pairs:
        raise UserError(f"{manifest.dataset}: no training sample has both audio and image, which pretraining needs")
    return rows.pick(pairs).only(CavMae.modalities)


def train_epoch(
    model: MaskedAutoencoder,
    data: MultimodalData,
    optimizer: torch.optim.Optimizer,
    config: PretrainConfig,
    machine: Machine,
    advance: Advance,
) -> dict[str, float]:
    """Train once through the data.

    Args:
        model: changed in place.
        data: the pairs in this epoch.
        optimizer: over the model's trainable parameters.
        config: batch size, schedule, precision and seed.
        machine: where it is computed.
        advance: called with the number of samples after each step.

    Returns:
        Means over the steps: of `loss` and of its parts `audio`, `image` and `contrast`.
    """
    model.train()
    steps = math.ceil(len(data) / config.batch_size)
    step_losses: list[Tensor] = []
    for batch in data.batches(config.batch_size, config.seed, machine.loader_options):
        step = (data.epoch - 1) * steps + len(step_losses)
        for group in optimizer.param_groups:
            group["lr"] = config.lr * schedule(step, config.epochs * steps, config.warmup)
        inputs = batch.to(machine.device).inputs
        rounded = math.floor if config.visible == "floor" else round
        visible = draw_visible(model.backbone, len(batch), config.hidden, machine.device, rounded)
        with machine.autocast(config.precision):
            losses = model(inputs, visible, config.temperature, config.contrast_direction == "both")
        loss = losses["audio"] + losses["image"] + config.contrast * losses["contrast"]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        step_losses.append(torch.stack([loss, *losses.values()]).detach())
        advance(len(batch))
    means = torch.stack(step_losses).mean(dim=0).tolist()
    return dict(zip(("loss", *losses), means, strict=True))


def _state(model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> Mapping[str, Any]:
    return {
        "epoch": epoch,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        **random_state(next(model.parameters()).device),
    }


def _restore(run: Run, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Continue from `state.pt`, where there is one; returns the number of finished epochs."""
    state = run.state()
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    restore_random_state(state, next(model.parameters()).device)
    epoch: int = state["epoch"]
    return epoch
