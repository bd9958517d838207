"""Mixup: samples are blended with others of their batch, all modalities and the targets with one weight."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from avtrain.data.batch import Batch


@dataclass(frozen=True)
class Blend:
    """The map x -> w x + (1 - w) x[partner] for anything with B rows: inputs, tokens, one-hot labels.

    Attributes:
        weight: w, [B], 1 where a sample stays as it is.
        partner: int64 [B], index of the sample to blend with.
    """

    weight: Tensor
    partner: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        assert x.is_floating_point(), "numbers of tokens have no mean: blend Backbone.blendable(batch)"
        w = self.weight.reshape(-1, *[1] * (x.dim() - 1))
        return w * x + (1 - w) * x[self.partner]


def mix(batch: Batch, rate: float, concentration: float) -> tuple[Batch, Blend]:
    """Blend a share of the samples with a partner.

    Zhang et al.: mixup, ICLR 2018.  Blended are the front end's outputs (of text the word embeddings, as in Guo et al.:
    Augmenting data with mixup for sentence classification, arXiv 2019), or the tokens of a frozen backbone (Verma et
    al.: Manifold mixup, ICML 2019); only samples that have the same modalities are blended with each other.

    Args:
        batch: by `Backbone.blendable`, or with tokens, and ids of words are then left out; it is not changed, and its
            labels are not blended.
        rate: share of the samples that is blended, 0 to 1.
        concentration: weights are drawn from Beta(concentration, concentration).

    Returns:
        The batch with blended inputs and tokens, and the blend for its targets.
    """
    device, count = batch.labels.device, batch.labels.shape[0]
    partner = torch.randperm(count, device=device)
    weight = torch.distributions.Beta(concentration, concentration).sample((count,)).to(device)
    blended = torch.rand(count, device=device) < rate
    for present in batch.present.values():
        blended &= present == present[partner]
    blend = Blend(torch.where(blended, weight, 1.0), partner)
    # where tokens are read, ids of words have nothing to do
    read = {m: x for m, x in batch.inputs.items() if x.is_floating_point() or not batch.tokens}
    inputs, tokens = ({m: blend(x) for m, x in values.items()} for values in (read, batch.tokens))
    return replace(batch, inputs=inputs, tokens=tokens), blend
