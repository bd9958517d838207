"""Mixup: samples blended with others of their batch, all modalities and the targets by one weight."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from avtrain.data.batch import Batch


@dataclass(frozen=True)
class Blend:
    """x to w x + (1 - w) x[partner], sample by sample: for inputs, tokens, labels, whatever has B rows."""

    weight: Tensor  # [B], 1 where a sample stays as it is
    partner: Tensor  # int64 [B]

    def __call__(self, x: Tensor) -> Tensor:
        own = self.weight.reshape(-1, *[1] * (x.dim() - 1))
        return own * x + (1 - own) * x[self.partner]


def mix(batch: Batch, rate: float, concentration: float) -> tuple[Batch, Blend]:
    """Blend a part `rate` of the samples with a partner; returns the batch, and what blends its targets.

    Zhang et al.: mixup, ICLR 2018; the weight is drawn from Beta(concentration, concentration).  Blended is what the
    front end made, or the tokens of a frozen backbone (Verma et al.: Manifold mixup, ICML 2019), and only samples that
    have the same modalities: half an absent one means nothing.
    """
    device, count = batch.labels.device, batch.labels.shape[0]
    partner = torch.randperm(count, device=device)
    weight = torch.distributions.Beta(concentration, concentration).sample((count,)).to(device)
    blended = torch.rand(count, device=device) < rate
    for there in batch.present.values():
        blended &= there == there[partner]
    blend = Blend(torch.where(blended, weight, 1.0), partner)
    inputs, tokens = ({m: blend(x) for m, x in values.items()} for values in (batch.inputs, batch.tokens))
    return replace(batch, inputs=inputs, tokens=tokens), blend
