"""Mixup: samples blended with others of their batch, both modalities and the label by one weight."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from avtrain.batch import Batch

CONCENTRATION = 10.0  # of the Beta law: weights near one half, as CAV-MAE draws them


def mix(batch: Batch, classes: int, rate: float) -> tuple[Batch, Tensor]:
    """Blend a part `rate` of the samples with a partner; returns the batch and its targets, [B, classes].

    Zhang et al.: mixup, ICLR 2018; weights from Beta(10, 10) as in Gong et al., ICLR 2023, which blends waveforms where
    this blends what the front end made.  Two samples are blended only where they have the same modalities: half an
    absent one means nothing.
    """
    targets = one_hot(batch.labels, classes).float()
    partner = torch.randperm(len(batch), device=batch.labels.device)
    weight = torch.distributions.Beta(CONCENTRATION, CONCENTRATION).sample((len(batch),)).to(batch.labels.device)
    blended = torch.rand(len(batch), device=batch.labels.device) < rate
    for there in batch.present.values():
        blended &= there == there[partner]
    weight = torch.where(blended, weight, 1.0)

    def blend(x: Tensor) -> Tensor:
        own = weight.reshape(-1, *[1] * (x.dim() - 1))
        return own * x + (1 - own) * x[partner]

    return replace(batch, inputs={m: blend(x) for m, x in batch.inputs.items()}), blend(targets)
