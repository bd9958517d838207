"""DCCA: networks whose outputs are most correlated between modalities, then a linear classifier."""

from collections.abc import Iterable
from itertools import combinations
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.canonical_correlation import correlation_loss
from avtrain.methods.shared.embeddings import EmbeddingMethod, EmbeddingOptions
from avtrain.methods.shared.linear_svc import LinearSVC

HIDDEN = (256, 256, 256)


class DCCAConfig(EmbeddingOptions):
    """Options of `dcca`."""

    dimensions: int = Field(2, description="outputs of each network; as released: 2", ge=1)
    ridge: float = Field(1e-3, description="added to the diagonal of each covariance; as released: 1e-3", gt=0)
    cost: float = Field(0.01, description="C of the support vector classifier; as released: 0.01", gt=0)
    third_view: Literal["own", "as_released"] = Field(
        "own", description="network of the third modality; as_released: that of the second, of equal width only"
    )


class DCCA(EmbeddingMethod):
    """One network for each modality, trained for the correlation of their outputs alone, and a classifier on them.

    Andrew et al.: Deep canonical correlation analysis, ICML 2013; as a baseline of missing modalities in Zhang et al.,
    CVPR 2024, Table 2.

    x_m is [B, D_m], the mean of the training split where the modality is missing, and z_m = f_m(x_m) is [B, k], with
    f_m an MLP D_m - 256 - 256 - 256 - k of batch norms and ReLU.  Over the pairs of modalities, with S_ij of the
    batch's centred outputs, S_ii with the ridge on its diagonal, and T = S_ii^-1/2 S_ij S_jj^-1/2,

        loss = - sum_(i < j) sum of the k largest sqrt(eig(T^T T + 1e-3 I))

    No label is in it.  At the end of each epoch a linear support vector classifier is fitted to [z_1; ...; z_M] of the
    whole training split, M k numbers.  The batch has to be large, since the correlation is its own: 1024, as published.
    A batch of one sample, which may be left over at the end of an epoch, has no correlation and takes no step.

    Released code: the third modality passes through the network of the second, so that its own is never trained
    (`third_view: as_released`, for three embeddings of which the last two are of equal width).  Missing modalities are
    means over all splits, test included, which cannot be had here.  The last epoch is taken.
    """

    name = "dcca"
    source = "Andrew et al., ICML 2013; Zhang et al., CVPR 2024, Table 2"
    Config: ClassVar[type[Frozen]] = DCCAConfig
    default_batch_size = 1024
    modalities_limit = (2, None)

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: DCCAConfig) -> None:
        super().__init__(backbone, config.frozen)
        self.config = config
        self.network_of = networks_by_modality(self.widths, config.third_view)
        used = {m: self.widths[m] for m in self.widths if m in self.network_of.values()}
        self.networks = nn.ModuleDict({m: deep_network(width, config.dimensions) for m, width in used.items()})
        self.classifier = LinearSVC(config.dimensions * len(self.widths), classes)

    def forward(self, batch: Batch) -> Prediction:
        return Prediction(self.classifier(torch.cat(list(self.project(self.embeddings(batch)).values()), dim=1)))

    def project(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return z_m, [B, k], of every modality.  x: modality -> [B, D_m]."""
        return {m: self.networks[self.network_of[m]](v) for m, v in x.items()}

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        if len(batch) < 2:
            return torch.zeros((), device=batch.labels.device)
        return super().training_step(batch, optimizer)

    def loss(self, batch: Batch) -> Tensor:
        return self.correlation_loss(self.project(self.embeddings(batch)))

    def correlation_loss(self, z: dict[str, Tensor]) -> Tensor:
        """Return the loss above.  z: modality -> [B, k]."""
        pairs = combinations(z.values(), 2)
        return torch.stack([correlation_loss(i, j, self.config.dimensions, self.config.ridge) for i, j in pairs]).sum()

    def end_epoch(self, batches: Iterable[Batch]) -> None:
        samples = self.embed_all(batches)
        with torch.no_grad():
            z = torch.cat(list(self.project(samples.values).values()), dim=1)
        self.classifier.fit(z, samples.labels, self.config.cost)

    def encoder_modules(self, modality: str) -> list[nn.Module]:
        own = [self.networks[modality]] if modality in self.networks else []
        return [*super().encoder_modules(modality), *own]


def networks_by_modality(widths: dict[str, int], third_view: Literal["own", "as_released"]) -> dict[str, str]:
    """Return the modality whose network each modality passes through.

    Args:
        widths: of the embeddings, in the order of the data.
        third_view: an option of `dcca`.

    Raises:
        UsageError: as_released, and there are not three modalities, or the last two are not of equal width.
    """
    if third_view == "own":
        return {m: m for m in widths}
    if len(widths) != 3:
        raise UsageError(
            f"method.third_view=as_released is about the third of three modalities, but here are {len(widths)}: "
            f"{', '.join(widths)}; leave it out"
        )
    first, second, third = widths
    if widths[second] != widths[third]:
        raise UsageError(
            f"method.third_view=as_released sends {third} through the network of {second}, but their embeddings have "
            f"{widths[third]} and {widths[second]} features; choose encoders of equal width, or leave it out"
        )
    return {first: first, second: second, third: second}


def deep_network(width: int, out: int) -> nn.Sequential:
    """Build an MLP of three hidden layers of 256 with batch norm and ReLU.

    Args:
        width: of the input.
        out: of the output.
    """
    layers: list[nn.Module] = []
    for before, after in zip((width, *HIDDEN[:-1]), HIDDEN, strict=True):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], out))
