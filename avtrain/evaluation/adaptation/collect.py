"""Collecting the statistics of a run's features from its training data."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from avbuild.progress import Advance, progress_bar
from avbuild.scenarios.seeding import rng_for
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.device import Machine
from avtrain.evaluation.adaptation.source import FeatureSample, SourceStatistics, summarise
from avtrain.evaluation.adaptation.streams import Item, StreamSource, read_items
from avtrain.evaluation.adaptation.tokens import Tokens, predict_through
from avtrain.methods.base import Method

MOST, MOST_HELD_OUT = 512, 256  # samples a scenario that the statistics are computed from


def collect_statistics(
    method: Method,
    training: StreamSource,
    held_out: StreamSource,
    scenarios: Sequence[str],
    machine: Machine,
    precision: str,
    seed: int,
) -> SourceStatistics:
    """Compute the statistics of the features that a method reads, under each training scenario.

    Args:
        method: trained; put into eval mode.
        training: the training split.
        held_out: samples that were not trained on, such as the validation split.
        scenarios: names.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
        seed: of the manifest; chooses the samples.
    """
    method.eval()
    if isinstance(training, MultimodalData):
        training = training.at(0)  # as evaluated; cached tokens are those that training has seen
    chosen = ((training, choose_rows(len(training), MOST, seed)), (held_out, _held_out_rows(held_out, seed)))
    total = len(scenarios) * sum(len(rows) for _, rows in chosen)
    with progress_bar("features of training data", total) as advance:
        trained_on, others = (
            {name: _collect(method, source.under(name), rows, machine, precision, advance) for name in scenarios}
            for source, rows in chosen
        )
    return summarise(trained_on, others, seed)


def _held_out_rows(source: StreamSource, seed: int) -> Sequence[Item]:
    return choose_rows(len(source), MOST_HELD_OUT, seed)


def choose_rows(rows: int, most: int, seed: int) -> Sequence[Item]:
    """Return some rows of a source, by the law of seeds.

    Args:
        rows: number of rows.
        most: upper limit of their number.
        seed: of the manifest.
    """
    rng = rng_for(seed=seed, scenario="", sample="source samples", modality="", op=0)
    return [(0, row) for row in rng.permutation(rows)[:most].tolist()]


def pool_tokens(method: Method, tokens: Tokens) -> dict[str, Tensor]:
    """Return the pooled features of each modality, modality -> float32 [B, F]."""
    return {m: method.backbone.encoder(m).pool(x).float() for m, x in tokens.items()}


@torch.no_grad()
def _collect(
    method: Method, source: StreamSource, items: Sequence[Item], machine: Machine, precision: str, advance: Advance
) -> Mapping[str, FeatureSample]:
    """Return features and labels of some rows by modality, without rows that lack it."""
    pooled: list[dict[str, Tensor]] = []

    def note(tokens: Tokens, batch: Batch) -> Tokens:
        pooled.append({m: x.cpu() for m, x in pool_tokens(method, tokens).items()})
        return tokens

    present: list[Mapping[str, Tensor]] = []
    labels, classes = [], 0
    for batch in read_items([source], items, batch_size=32, loader=machine.loader_options):
        with machine.autocast(precision):
            prediction = predict_through(method, batch.to(machine.device), note)
        present.append(batch.present)
        labels.append(batch.labels)
        classes = prediction.logits.shape[1]
        advance(len(batch))
    found = {}
    for modality in pooled[0]:
        there = torch.cat([masks[modality] for masks in present])
        features = torch.cat([features[modality] for features in pooled])
        found[modality] = FeatureSample(features[there], torch.cat(labels)[there], classes)
    return found
