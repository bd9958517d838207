"""MMIN: a cascade of residual autoencoders imagines the embeddings of modalities that a sample lacks."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.drawn_absence import draw_subsets
from avtrain.methods.shared.embeddings import EmbeddingMethod, EmbeddingOptions
from avtrain.methods.shared.imagination import BLOCKS, LAYERS, Encoders, hidden_from, known_error
from avtrain.methods.shared.residual_autoencoder import MLP, ResidualAutoencoder
from avtrain.methods.shared.teacher import TaughtMethod, TeacherOptions
from avtrain.methods.shared.unimodal_features import mean_where, zero_absent


class MMINConfig(EmbeddingOptions, TeacherOptions):
    """Options of `mmin`."""

    imagination: float = Field(4.0, description="weight of the imagined embedding's error; as released: 4 or 2", ge=0)
    cycle: float = Field(2.0, description="weight of the error of the way back; as released: 2 or 0.5", ge=0)
    dropout: float = Field(0.5, description="probability, in encoders and classifiers", ge=0, lt=1)
    shown: Literal["all", "as_released"] = Field(
        "all", description="sets of modalities that training shows; as_released: never all that a sample has"
    )


class MMIN(TaughtMethod, EmbeddingMethod):
    """Missing modality imagination network: what a teacher sees in some modalities is predicted from the others.

    Zhao et al.: Missing modality imagination network for emotion recognition with uncertain missing modalities, ACL
    2021 (MMIN).

        stage 1    teacher        t = [T_1(x_1); ...; T_M(x_M)]     loss = CE(C_T(t), y)            t: [B, 128 M]
        stage 2    h = [E_1(x_1); ...; E_M(x_M)],   x_m = 0 where m is missing;   E starts as T     h: [B, 128 M]
                   imagined, latents = A(h)                                                   latents: [B, 5 x 64]
                   cycle = A'(imagined)
                   loss = CE(C(latents), y) + 4 MSE(imagined, t') + 2 MSE(cycle, h)

    x_m is [B, D_m].  A and A' are cascades of 5 residual autoencoders (see `ResidualAutoencoder`) of widths 256, 128
    and 64.  t' is the teacher's view of the complement: of what the sample has and the student is not shown.  For a
    modality that is shown the target is thus T_m(0), as in the released code.  No gradient passes through t', or
    through the h that the cycle is compared with.

    In stage 2 each sample is shown with a random nonempty set of its modalities, every set with the same probability.
    What a sample truly lacks has no target, so it is left out of the imagination's mean.  The teacher sees complete
    samples only: `TaughtMethod` says what happens where there are few.

    Released code: stage 2 shows the six proper sets of three modalities, and never trains, selects or tests on complete
    samples (`shown: as_released` trains so).  On MSP-IMPROV both cascades are one, with weights 2 and 0.5.  Sequences
    are encoded by LSTM and TextCNN, and here vectors by MLPs, as in the port of Lian et al. (GCNet, TPAMI 2023); a
    quarter of the epochs is the teacher's (10 + 10 of 80).
    """

    name = "mmin"
    source = "Zhao et al., ACL 2021"
    Config = MMINConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: MMINConfig) -> None:
        super().__init__(backbone, config.frozen)
        self.config, self.teacher_share = config, config.teacher_share
        self.encoders = Encoders(self.widths, config.dropout)
        width = self.encoders.width
        self.teacher = nn.ModuleDict(
            {"encoders": Encoders(self.widths, config.dropout), "classifier": MLP(width, classes, config.dropout)}
        )
        self.imagine = ResidualAutoencoder(width, LAYERS, BLOCKS)
        self.imagine_back = ResidualAutoencoder(width, LAYERS, BLOCKS)
        self.classifier = MLP(BLOCKS * LAYERS[-1], classes, config.dropout)

    def forward(self, batch: Batch) -> Prediction:
        _, latents = self.imagine(self.encoders(self.embeddings(batch)))
        return Prediction(self.classifier(latents))

    def teacher_loss(self, batch: Batch, rows: Tensor) -> Tensor:
        logits = self.teacher["classifier"](self.teacher["encoders"](self.embeddings(batch)))
        return mean_where(cross_entropy(logits.float(), batch.labels, reduction="none"), rows)

    def start_student(self) -> None:
        self.encoders.load_state_dict(self.teacher["encoders"].state_dict())

    def student_loss(self, batch: Batch) -> Tensor:
        shown = draw_subsets(batch.present, proper=self.config.shown == "as_released")
        with torch.no_grad():
            x = self.embeddings(batch)
            target = self.teacher["encoders"](zero_absent(x, hidden_from(batch.present, shown)))
        h = self.encoders(zero_absent(x, shown))
        imagined, latents = self.imagine(h)
        cycle, _ = self.imagine_back(imagined)
        return (
            cross_entropy(self.classifier(latents).float(), batch.labels)
            + self.config.imagination * known_error(imagined, target, batch.present)
            + self.config.cycle * mse_loss(cycle, h.detach())
        )
