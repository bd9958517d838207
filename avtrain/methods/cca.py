"""CCA: the classical baseline, two views at a time, in closed form."""

from collections.abc import Iterable
from itertools import combinations

import torch
from pydantic import Field
from torch import Tensor

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.canonical_correlation import canonical_maps, require_dimensions
from avtrain.methods.shared.embeddings import EmbeddingMethod
from avtrain.methods.shared.fitted import Fitted
from avtrain.methods.shared.linear_svc import LinearSVC


class CCAConfig(Frozen):
    """Options of `cca`."""

    dimensions: int = Field(2, description="canonical variables of each view of a pair; as released: 2", ge=1)
    ridge: float = Field(1e-4, description="added to the diagonal of each covariance; as released: 1e-4", gt=0)
    cost: float = Field(0.01, description="C of the support vector classifier; as released: 0.01", gt=0)


class CCA(EmbeddingMethod):
    """Canonical variables of every pair of modalities, and a linear support vector classifier on all of them.

    Hotelling, Biometrika 1936; as a baseline of missing modalities in Zhang et al., CVPR 2024, Table 2.

    x_m is [B, D_m], of a frozen backbone.  Each pair (i, j) has maps A_ij, [D_i, k], and A_ji, [D_j, k], such that the
    k pairs of columns of X_i A_ij and X_j A_ji are most correlated over the training split, each uncorrelated with the
    others: with S_ij = X_i^T X_j / (N - 1), and the ridge added to S_ii and S_jj,

        U diag(r) V^T = SVD(S_ii^-1/2 S_ij S_jj^-1/2),    A_ij = S_ii^-1/2 U_k,    A_ji = S_jj^-1/2 V_k.

    The classifier sees M (M - 1) k numbers, 12 of three modalities and 4 of two.  A missing modality is the mean of the
    training split.  There are no steps: all is solved at the end of an epoch, so one epoch is enough.  With hardly more
    samples than features nearly everything correlates, and a larger `ridge` is needed.

    Released code: missing modalities are the means over training, validation and test samples together.  Training does
    not read the test split here, so that cannot be had as an option.
    """

    name = "cca"
    source = "Hotelling, Biometrika 1936; Zhang et al., CVPR 2024, Table 2"
    Config = CCAConfig
    default_epochs = 1
    modalities_limit = (2, None)

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: CCAConfig) -> None:
        super().__init__(backbone)
        require_dimensions(config.dimensions, self.widths)
        self.config = config
        self.maps = CanonicalMaps(self.widths, config.dimensions)
        self.classifier = LinearSVC(self.maps.width, classes)

    def forward(self, batch: Batch) -> Prediction:
        return Prediction(self.classifier(self.maps(self.embeddings(batch))))

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """Do nothing, since no step minimises anything; returns 0."""
        return torch.zeros((), device=batch.labels.device)

    def end_epoch(self, batches: Iterable[Batch]) -> None:
        samples = self.embed_all(batches)
        self.maps.fit(samples.values, self.config.ridge)
        self.classifier.fit(self.maps(samples.values), samples.labels, self.config.cost)


class CanonicalMaps(Fitted):
    """The linear maps of every pair of views, as the buffers `FIRST_to_SECOND`.

    Attributes:
        pairs: (i, j) and (j, i) of every pair of modalities.
        width: number of canonical variables of all pairs together.
    """

    def __init__(self, widths: dict[str, int], dimensions: int) -> None:
        super().__init__()
        self.pairs = [pair for i, j in combinations(widths, 2) for pair in ((i, j), (j, i))]
        self.dimensions, self.width = dimensions, len(self.pairs) * dimensions
        for own, other in self.pairs:
            self.register_buffer(f"{own}_to_{other}", torch.zeros(widths[own], dimensions))

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        """Return the canonical variables of all pairs, [B, width].  x: modality -> [B, D_m]."""
        return torch.cat([x[own] @ self.get_buffer(f"{own}_to_{other}") for own, other in self.pairs], dim=1)

    @torch.no_grad()
    def fit(self, x: dict[str, Tensor], ridge: float) -> None:
        """Solve every pair.

        Args:
            x: modality -> [N, D_m], of the training split.
            ridge: of `canonical_maps`.

        Raises:
            UsageError: there are fewer than two samples.
        """
        if (n := len(next(iter(x.values())))) < 2:
            raise UsageError(f"method cca: a correlation needs two training samples or more, not {n}")
        for i, j in self.pairs[::2]:
            to_j, to_i, _ = canonical_maps(x[i], x[j], self.dimensions, ridge)
            self.get_buffer(f"{i}_to_{j}").copy_(to_j)
            self.get_buffer(f"{j}_to_{i}").copy_(to_i)
