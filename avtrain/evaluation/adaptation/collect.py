"""Collecting the statistics of a run's training features, at the end of `avtrain fit` or when they are asked for."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from avbuild.scenarios.seeding import rng_for
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.device import Machine
from avtrain.evaluation.adaptation.source import MOST, SourceStatistics, summarise
from avtrain.evaluation.adaptation.streams import Item, read_items
from avtrain.evaluation.adaptation.tokens import Tokens, predict_through
from avtrain.features.cache import CachedData
from avtrain.methods.base import Method


def pool_present(method: Method, tokens: Tokens, batch: Batch) -> dict[str, Tensor]:
    """Return the pooled features of the samples that have each modality, modality -> [n, F], float32."""
    backbone = method.backbone
    return {m: backbone.encoder(m).pool(x).float()[batch.present[m]] for m, x in tokens.items()}


@torch.no_grad()
def collect_statistics(
    method: Method,
    sources: Mapping[str, MultimodalData | CachedData],
    batch_size: int,
    machine: Machine,
    precision: str,
    seed: int,
) -> SourceStatistics:
    """Compute the statistics of the features that a method reads.

    Args:
        method: trained; put into eval mode.
        sources: scenario -> the training split under it.
        batch_size: number of samples in a batch.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
        seed: of the manifest; chooses the samples, at most `MOST`.
    """
    method.eval()
    collected = {
        name: _collect(method, source, choose_rows(len(source), MOST, seed), batch_size, machine, precision)
        for name, source in sources.items()
    }
    return summarise(collected, seed)


def choose_rows(rows: int, most: int, seed: int) -> Sequence[Item]:
    """Return some rows of a source, by the law of seeds.

    Args:
        rows: number of rows.
        most: upper limit of their number.
        seed: of the manifest.
    """
    rng = rng_for(seed=seed, scenario="", sample="source samples", modality="", op=0)
    return [(0, row) for row in rng.permutation(rows)[:most].tolist()]


def _collect(
    method: Method,
    source: MultimodalData | CachedData,
    items: Sequence[Item],
    batch_size: int,
    machine: Machine,
    precision: str,
) -> dict[str, Tensor]:
    """Return the features of some rows, modality -> [n, F]."""
    found: dict[str, list[Tensor]] = {m: [] for m in method.backbone.modalities}

    def note(tokens: Tokens, batch: Batch) -> Tokens:
        for modality, features in pool_present(method, tokens, batch).items():
            found[modality].append(features.cpu())
        return tokens

    for loaded in read_items([source], items, batch_size, machine.loader_options):
        with machine.autocast(precision):
            predict_through(method, loaded.to(machine.device), note)
    return {m: torch.cat(parts) for m, parts in found.items() if parts}
