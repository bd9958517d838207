"""IF-MMIN: MMIN with features that the modalities share, which missing ones do not take away."""

from itertools import combinations
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.drawn_absence import draw_subsets
from avtrain.methods.shared.embeddings import EmbeddingMethod, EmbeddingOptions
from avtrain.methods.shared.imagination import BLOCKS, LAYERS, Encoders, hidden_from, known_error
from avtrain.methods.shared.residual_autoencoder import MLP, MLP_WIDTH, ResidualAutoencoder
from avtrain.methods.shared.teacher import TaughtMethod, TeacherOptions
from avtrain.methods.shared.unimodal_features import mean_where, zero_absent

MOMENTS = 5  # of the central moment discrepancy


class IFMMINConfig(EmbeddingOptions, TeacherOptions):
    """Options of `if-mmin`."""

    discrepancy: float = Field(1.0, description="weight of the central moment discrepancy in stage 1", ge=0)
    imagination: float = Field(1.0, description="weight of the imagined embedding's error", ge=0)
    invariance: float = Field(1.0, description="weight of the shared features' error; its script asks for 100", ge=0)
    dropout: float = Field(0.5, description="probability, in encoders and classifiers", ge=0, lt=1)
    shown: Literal["all", "as_released"] = Field(
        "all", description="sets of modalities that training shows; as_released: never all that a sample has"
    )


class IFMMIN(TaughtMethod, EmbeddingMethod):
    """MMIN whose autoencoders are helped, block by block, by features s that are alike in all modalities.

    Zuo et al.: Exploiting modality-invariant feature for robust multimodal emotion recognition with missing modalities,
    ICASSP 2023 (IF-MMIN).

        h = [E_1(x_1); ...; E_M(x_M)],    s = [P(h_1); ...; P(h_M)]                              h, s: [B, 128 M]
        stage 1, the teacher:    loss = CE(C_T([h; s]), y) + mean over pairs i < j of CMD(s_i, s_j)
        stage 2, the student:    imagined, latents = A(h, s)                               latents: [B, 5 x 64]
                                 loss = CE(C(latents), y) + MSE(imagined, t') + w MSE(s, s')

    x_m is [B, D_m], zeros where m is missing; P, two linear maps with LeakyReLU, is one for all modalities.  CMD is the
    central moment discrepancy (Zellinger et al., ICLR 2017) of the first five moments, by which two modalities are
    compared as distributions over the batch:

        CMD(a, b) = |mean(a) - mean(b)| + sum_{k=2..5} |mean((a - mean(a))^k) - mean((b - mean(b))^k)|

    A is a cascade of 5 autoencoders of widths 256, 128 and 64, in which a block adds s to what the last one returned:
    in_1 = h + s, in_i = out_(i-1) + s, and imagined = T(out_5).  t' is the teacher's h of the complement, as in `mmin`,
    and s' the teacher's s of all that the sample has.  E and P start as the teacher's, and P goes on learning.

    In stage 2 each sample is shown with a random nonempty set of its modalities.  Modalities that a sample truly lacks
    are left out of both MSEs.  The teacher sees complete samples only: see `TaughtMethod`.

    Released code: the script sets the weight w to 100 by an option that does not exist, and stops; the default is 1.
    Complete samples are not shown in stage 2 (`shown: as_released`).  A third of the epochs is the teacher's.
    """

    name = "if-mmin"
    source = "Zuo et al., ICASSP 2023"
    Config = IFMMINConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: IFMMINConfig) -> None:
        super().__init__(backbone, config.frozen)
        self.config, self.teacher_share = config, config.teacher_share
        self.encoders, self.projector = Encoders(self.widths, config.dropout), SharedProjector()
        width = self.encoders.width
        self.teacher = nn.ModuleDict(
            {
                "encoders": Encoders(self.widths, config.dropout),
                "projector": SharedProjector(),
                "classifier": MLP(2 * width, classes, config.dropout),
            }
        )
        self.imagine = ResidualAutoencoder(width, LAYERS, BLOCKS, residual=False)
        self.classifier = MLP(BLOCKS * LAYERS[-1], classes, config.dropout)

    def forward(self, batch: Batch) -> Prediction:
        h = self.encoders(self.embeddings(batch))
        _, latents = self.imagine(h, self.projector(h))
        return Prediction(self.classifier(latents))

    def teacher_loss(self, batch: Batch, rows: Tensor) -> Tensor:
        h = self.teacher["encoders"](self.embeddings(batch))
        s = self.teacher["projector"](h)
        logits = self.teacher["classifier"](torch.cat([h, s], dim=1))
        loss = mean_where(cross_entropy(logits.float(), batch.labels, reduction="none"), rows)
        parts = zip(torch.split(s, MLP_WIDTH, dim=1), batch.present.values(), strict=True)
        return loss + self.config.discrepancy * mean_discrepancy([part[rows & mask] for part, mask in parts])

    def start_student(self) -> None:
        self.encoders.load_state_dict(self.teacher["encoders"].state_dict())
        self.projector.load_state_dict(self.teacher["projector"].state_dict())

    def student_loss(self, batch: Batch) -> Tensor:
        shown = draw_subsets(batch.present, proper=self.config.shown == "as_released")
        with torch.no_grad():
            x = self.embeddings(batch)
            target = self.teacher["encoders"](zero_absent(x, hidden_from(batch.present, shown)))
            shared_target = self.teacher["projector"](self.teacher["encoders"](x))
        h = self.encoders(zero_absent(x, shown))
        shared = self.projector(h)
        imagined, latents = self.imagine(h, shared)
        return (
            cross_entropy(self.classifier(latents).float(), batch.labels)
            + self.config.imagination * known_error(imagined, target, batch.present)
            + self.config.invariance * known_error(shared, shared_target, batch.present)
        )


class SharedProjector(nn.Module):
    """One map for the encodings of all modalities, [B, 128 M] to [B, 128 M]: each 128 numbers by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            *(nn.Linear(MLP_WIDTH, MLP_WIDTH), nn.LeakyReLU(), nn.Linear(MLP_WIDTH, MLP_WIDTH), nn.LeakyReLU())
        )

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat([self.maps(part) for part in torch.split(h, MLP_WIDTH, dim=1)], dim=1)


def mean_discrepancy(parts: list[Tensor]) -> Tensor:
    """Average the central moment discrepancy over all pairs in which both have samples; 0 where there is no pair.

    Args:
        parts: one [N_m, D] a modality.
    """
    found = [central_moment_discrepancy(a, b) for a, b in combinations(parts, 2) if len(a) and len(b)]
    return torch.stack(found).mean() if found else parts[0].new_zeros(())


def central_moment_discrepancy(a: Tensor, b: Tensor, moments: int = MOMENTS) -> Tensor:
    """Compute the sum of the distances between the means and the central moments of two sets of vectors.

    Args:
        a: [N, D].
        b: [N', D].
        moments: number of moments, from 1.

    Returns:
        A scalar, from 0.
    """
    a_mean, b_mean = a.mean(dim=0), b.mean(dim=0)
    distances = [a_mean - b_mean]
    for k in range(2, moments + 1):
        distances.append((a - a_mean).pow(k).mean(dim=0) - (b - b_mean).pow(k).mean(dim=0))
    return torch.stack([_length(distance) for distance in distances]).sum()


def _length(x: Tensor) -> Tensor:
    """Return the Euclidean length, whose gradient at 0 is 0, as where one sample has no spread."""
    square = x.square().sum()
    positive = square > 0
    return square.where(positive, 1.0).sqrt().where(positive, 0.0)
