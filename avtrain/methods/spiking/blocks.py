"""Spiking neurons, attention and transformer blocks."""

import snntorch as snn
import torch
from snntorch import surrogate
from torch import Tensor, nn


class Neurons(nn.Module):
    """Leaky integrate-and-fire neurons, from currents over time [T, ...] to spikes, 0 or 1, [T, ...].

    The potential is U[t] = decay U[t - 1] + I[t] - (U[t - 1] > 1), with a spike where U[t] > 1; the surrogate gradient
    is the derivative of an arctangent.  U is zero before the first step of every call, so no batch affects the next.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.neuron = snn.Leaky(beta=decay, spike_grad=surrogate.atan())

    def forward(self, currents: Tensor) -> Tensor:
        potential, spikes = torch.zeros_like(currents[0]), []
        for current in currents:
            spike, potential = self.neuron(current, potential)
            spikes.append(spike)
        self.neuron.mem = potential.new_zeros(0)  # else the library keeps it, with its graph
        return torch.stack(spikes).to(currents.dtype)


def firing(width: int, decay: float) -> nn.Sequential:
    """Build a module from currents to spikes, [T, B, N, D] to [T, B, N, D], with a LayerNorm on the currents.

    Args:
        width: D.
        decay: fraction of a membrane potential that is left one step later, 0 to 1.
    """
    return nn.Sequential(nn.LayerNorm(width), Neurons(decay))


class SpikingAttention(nn.Module):
    """Attention on spikes, Q (K^T V) / sqrt(d), turned into spikes again.  Zhou et al.: Spikformer, ICLR 2023.

    Spikes are never negative, so no softmax is needed, and K^T V can be computed first, in time linear in the tokens.
    """

    def __init__(self, width: int, heads: int, decay: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (
            nn.Sequential(nn.Linear(width, width, bias=False), firing(width, decay)) for _ in range(3)
        )
        self.fire = firing(width, decay)
        self.output = nn.Linear(width, width)

    def forward(self, spikes: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """Attend from spikes to a context.

        Args:
            spikes: [T, B, N, D].
            context: [T, B, M, D], spikes too.
            visible: bool [B, M], False for tokens of the context that have no influence; None: all have.

        Returns:
            Currents [T, B, N, D].
        """
        query, key, value = self.query(spikes), self.key(context), self.value(context)
        if visible is not None:
            value = value * visible[:, :, None]
        query, key, value = (x.unflatten(-1, (self.heads, -1)).transpose(2, 3) for x in (query, key, value))
        mixed = query @ (key.transpose(-2, -1) @ value) * query.shape[-1] ** -0.5
        currents: Tensor = self.output(self.fire(mixed.transpose(2, 3).flatten(3)))
        return currents


class SpikingBlock(nn.Module):
    """Spiking attention and MLP, whose output currents are added to the input's.  [T, B, N, D] to [T, B, N, D]."""

    def __init__(self, width: int, heads: int, decay: float) -> None:
        super().__init__()
        self.fire = firing(width, decay)
        self.attention = SpikingAttention(width, heads, decay)
        self.mlp = nn.Sequential(
            firing(width, decay),
            nn.Linear(width, 4 * width, bias=False),
            firing(4 * width, decay),
            nn.Linear(4 * width, width),
        )

    def forward(self, currents: Tensor, context: Tensor | None = None, visible: Tensor | None = None) -> Tensor:
        """Apply the block.

        Args:
            currents: [T, B, N, D].
            context: currents [T, B, M, D] to attend to; None: self-attention.
            visible: bool [B, M], as for `SpikingAttention`.

        Returns:
            [T, B, N, D].
        """
        spikes = self.fire(currents)
        currents = currents + self.attention(spikes, spikes if context is None else self.fire(context), visible)
        mixed: Tensor = currents + self.mlp(currents)
        return mixed
