"""Collecting the statistics of a run's features from its training data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from avbuild.progress import Advance, progress_bar
from avbuild.scenarios.seeding import rng_for
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.device import Machine
from avtrain.evaluation.adaptation.discriminant import Discriminant
from avtrain.evaluation.adaptation.feature_statistics import FeatureSample, summarise
from avtrain.evaluation.adaptation.opinions import HeldOut, Opinions, fit_opinions
from avtrain.evaluation.adaptation.source import SourceStatistics
from avtrain.evaluation.adaptation.streams import Item, StreamSource, read_items
from avtrain.evaluation.adaptation.tokens import Tokens, predict_through
from avtrain.methods.base import Method, Prediction

MOST, MOST_HELD_OUT = 1024, 256  # samples a scenario that the statistics are computed from


def collect_statistics(
    method: Method,
    training: StreamSource,
    held_out: StreamSource | None,
    scenarios: Sequence[str],
    machine: Machine,
    precision: str,
    seed: int,
) -> SourceStatistics:
    """Compute the statistics of the features that a method reads, under each training scenario.

    Args:
        method: trained; put into eval mode.
        training: the training split.
        held_out: samples that were not trained on, such as the validation split; None where there are none.
        scenarios: names.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
        seed: of the manifest; chooses the samples.
    """
    method.eval()
    if isinstance(training, MultimodalData):
        training = training.at(0)  # as evaluated; cached tokens are those that training has seen
    others = held_out or training
    chosen = (
        (training, choose_rows(len(training), MOST, seed)),
        (others, choose_rows(len(others), MOST_HELD_OUT, seed)),
    )
    total = len(scenarios) * sum(len(rows) for _, rows in chosen)
    with progress_bar("features of training data", total) as advance:
        seen, unseen = (
            {name: _collect(method, source.under(name), rows, machine, precision, advance) for name in scenarios}
            for source, rows in chosen
        )
    by_modality = summarise(_by_modality(seen), _by_modality(unseen), seed)
    if held_out is None:  # both opinions were formed on these samples, which then cannot tell how good they are
        return SourceStatistics(by_modality, Opinions.alone(next(iter(seen.values())).classes))
    discriminant = Discriminant.of(by_modality)
    heard = [HeldOut(x.logits, discriminant.scores(x.features, x.present), x.labels) for x in unseen.values()]
    labels = torch.cat([x.labels for x in seen.values()])
    frequencies = torch.bincount(labels, minlength=heard[0].logits.shape[1]) / len(labels)
    return SourceStatistics(by_modality, fit_opinions(heard, frequencies))


@dataclass(frozen=True)
class Collected:
    """The features and logits that a method gives some samples.

    Attributes:
        features: modality -> [n, F], pooled.
        present: modality -> bool [n].
        logits: [n, C].
        labels: int64 [n].
    """

    features: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    logits: Tensor
    labels: Tensor

    @property
    def classes(self) -> int:
        """Number C of classes."""
        return self.logits.shape[1]

    def of(self, modality: str) -> FeatureSample:
        """Return the samples that have a modality."""
        there = self.present[modality]
        return FeatureSample(self.features[modality][there], self.labels[there], self.classes)


def _by_modality(collected: Mapping[str, Collected]) -> dict[str, dict[str, FeatureSample]]:
    return {scenario: {m: found.of(m) for m in found.features} for scenario, found in collected.items()}


def choose_rows(rows: int, most: int, seed: int) -> Sequence[Item]:
    """Return some rows of a source, by the law of seeds.

    Args:
        rows: number of rows.
        most: upper limit of their number.
        seed: of the manifest.
    """
    rng = rng_for(seed=seed, scenario="", sample="source samples", modality="", op=0)
    return [(0, row) for row in rng.permutation(rows)[:most].tolist()]


def predict_with_features(method: Method, batch: Batch) -> tuple[Prediction, dict[str, Tensor]]:
    """Return a method's prediction, and the pooled features that it read, modality -> float32 [B, F]."""
    features: dict[str, Tensor] = {}

    def pool(tokens: Tokens, batch: Batch) -> Tokens:
        features.update({m: method.backbone.encoder(m).pool(x).float() for m, x in tokens.items()})
        return tokens

    return predict_through(method, batch, pool), features


@torch.no_grad()
def _collect(
    method: Method, source: StreamSource, items: Sequence[Item], machine: Machine, precision: str, advance: Advance
) -> Collected:
    """Read some rows, and return what the method makes of them."""
    parts: list[Collected] = []
    for batch in read_items([source], items, batch_size=32, loader=machine.loader_options):
        with machine.autocast(precision):
            prediction, features = predict_with_features(method, batch.to(machine.device))
        logits = prediction.logits.float().cpu()
        parts.append(Collected({m: x.cpu() for m, x in features.items()}, batch.present, logits, batch.labels))
        advance(len(batch))
    return Collected(
        {m: torch.cat([part.features[m] for part in parts]) for m in parts[0].features},
        {m: torch.cat([part.present[m] for part in parts]) for m in parts[0].present},
        torch.cat([part.logits for part in parts]),
        torch.cat([part.labels for part in parts]),
    )
