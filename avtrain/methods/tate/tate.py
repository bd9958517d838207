"""TATE: a transformer that is told which modalities are missing, and learns from one that sees them all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.drawn_absence import all_present, draw_subsets
from avtrain.methods.shared.embeddings import EmbeddingMethod, EmbeddingOptions
from avtrain.methods.shared.teacher import TaughtMethod, TeacherOptions
from avtrain.methods.shared.unimodal_features import mean_where
from avtrain.methods.tate.network import TaggedEncoder, attention_block, tag_of


class TATEConfig(EmbeddingOptions, TeacherOptions):
    """Options of `tate`."""

    tokens: int = Field(4, description="upper limit of the tokens of a modality, each the mean of neighbours", ge=1)
    width: int = Field(64, description="width of a token inside; a multiple of heads", ge=1)
    heads: int = Field(4, description="attention heads", ge=1)
    dropout: float = Field(0.2, description="probability, of attention and MLPs", ge=0, lt=1)
    guidance: float = Field(0.1, description="weight of the divergence from the teacher", ge=0)
    reconstruction: float = Field(0.1, description="weight of the divergence of the decoder from its target", ge=0)
    tag: float = Field(0.1, description="weight of the error of the tag", ge=0)
    l2: float = Field(1e-4, description="weight of the squared weights of the classifier", ge=0)
    teacher: Literal["complete", "as_released"] = Field(
        "complete", description="what the teacher sees: complete samples; or the incomplete ones of the student"
    )
    test_dropout: Literal["off", "as_released"] = Field("off", description="as_released: dropout is on in evaluation")


class TATE(TaughtMethod):
    """Tag-assisted transformer encoder: all tokens and a tag of what is missing, guided by a full-modality encoder.

    Zeng et al.: Tag-assisted multimodal sentiment analysis under uncertain missing modalities, SIGIR 2022 (TATE).

    The backbone's tokens of each modality, [B, N_m, D], zeros where it is missing, pass self-attention; linear maps
    bring each pair of modalities to a common space; the tokens of all pairs are J, [B, N, d].  The tag has a digit for
    "several are missing" and one for each modality (four for three modalities): g, [B, 1 + M].  It is one more token:

        E = encoder([J; tag])        z = W mean(E) + b        [J'; g'] = decoder(E)              E: [B, N + 1, d]
        loss = CE(z, y) + .1 D(E_T, E) + .1 D(J, J') + .1 |g - g'| + 1e-4 |W|^2
        D(a, b) = KL(a || b) + KL(b || a), of softmaxes over d, averaged over the tokens; |g - g'| is a mean

    E_T is the encoder of the teacher, trained in stage 1 by its own CE, and given all modalities of a sample.  The
    student starts from its weights.  In stage 2 each sample is shown with a random nonempty set of its modalities,
    every set with the same probability; D(E_T, E) is a mean over the samples that are complete in the data, without a
    gradient to E_T (`TaughtMethod` says more).

    Released code: the teacher is fed the same incomplete batch as the student, and so sees no more than it
    (`teacher: as_released`; nothing more is hidden from the student then).  Dropout stays on at test (`test_dropout:
    as_released`, with a fixed seed; a prediction then depends on its batch).  Losses are sums over the batch of 32, but
    for the tag's.  A chosen sample loses V, A, T, or A and T.  Our reading of the paper are the digits of the tag, and
    J as the target of the decoder; ours are the tag as a token, pairs side by side as tokens, since modalities have
    different numbers of them, a mean over tokens before the classifier, and one block each for encoder and decoder.
    """

    name = "tate"
    source = "Zeng et al., SIGIR 2022"
    Config = TATEConfig
    default_lr = EmbeddingMethod.default_lr
    default_epochs = EmbeddingMethod.default_epochs
    default_draws = EmbeddingMethod.default_draws
    default_batch_size = EmbeddingMethod.default_batch_size
    default_weight_decay = EmbeddingMethod.default_weight_decay
    clip_norm = EmbeddingMethod.clip_norm
    rowwise_calls = ("tokens",)
    modalities_limit = (2, None)

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: TATEConfig) -> None:
        super().__init__(backbone)
        if config.width % config.heads:
            raise UsageError(f"method.heads is {config.heads}, but must divide method.width, {config.width}")
        self.config, self.teacher_share = config, config.teacher_share
        if config.frozen:
            self.freeze_backbone()
            self.reading = Reading(most=config.tokens)
        widths = {m: backbone.encoder(m).width for m in backbone.modalities}
        shape = config.width, config.heads, config.dropout
        self.teacher = nn.ModuleDict(
            {"encoder": TaggedEncoder(widths, *shape), "classifier": nn.Linear(config.width, classes)}
        )
        self.encoder, self.classifier = TaggedEncoder(widths, *shape), nn.Linear(config.width, classes)
        self.decoder, self.tag = attention_block(*shape), nn.Linear(config.width, 1 + len(widths))

    def train(self, mode: bool = True) -> "TATE":
        super().train(mode)
        if self.config.test_dropout == "as_released":
            self.encoder.train()
        return self

    def tokens(self, batch: Batch) -> dict[str, Tensor]:
        """Return the backbone's tokens, modality -> [B, N_m, D]; rows of an absent modality have no meaning."""
        if self.reading is not None:
            return self.backbone.frozen_tokens(batch, self.reading)
        encoded = self.backbone.encode(batch)
        return {m: self.backbone.encoder(m).reduce(x, self.config.tokens) for m, x in encoded.items()}

    def forward(self, batch: Batch) -> Prediction:
        with _fixed_seed(batch, not self.training and self.encoder.training):
            _, encoded = self.encoder(self.tokens(batch), batch.present)
        return Prediction(self.classifier(encoded.mean(dim=1)))

    def teacher_loss(self, batch: Batch, rows: Tensor) -> Tensor:
        _, encoded = self.teacher["encoder"](self.tokens(batch), batch.present)
        losses = cross_entropy(self.teacher["classifier"](encoded.mean(dim=1)).float(), batch.labels, reduction="none")
        return mean_where(losses, rows if self.config.teacher == "complete" else torch.ones_like(rows))

    def start_student(self) -> None:
        self.encoder.load_state_dict(self.teacher["encoder"].state_dict())
        self.classifier.load_state_dict(self.teacher["classifier"].state_dict())

    def student_loss(self, batch: Batch) -> Tensor:
        hides = self.config.teacher == "complete"
        shown = draw_subsets(batch.present, proper=False) if hides else batch.present
        with torch.no_grad():
            tokens = self.tokens(batch)
            _, seen_by_teacher = self.teacher["encoder"](tokens, batch.present)
        joint, encoded = self.encoder(tokens, shown)
        decoded = self.decoder(encoded)
        tags = tag_of(shown).to(decoded.dtype)
        guided = all_present(batch.present) if hides and self.saw_complete else torch.ones_like(batch.labels).bool()
        loss: Tensor = (
            cross_entropy(self.classifier(encoded.mean(dim=1)).float(), batch.labels)
            + self.config.guidance * mean_where(divergence(seen_by_teacher, encoded), guided)
            + self.config.reconstruction * divergence(joint, decoded[:, :-1]).mean()
            + self.config.tag * (tags - self.tag(decoded[:, -1]).sigmoid()).abs().mean()
            + self.config.l2 * self.classifier.weight.square().sum()
        )
        return loss


def divergence(a: Tensor, b: Tensor) -> Tensor:
    """Compute KL(a || b) + KL(b || a) of softmaxes over the last axis, averaged over the tokens.

    Args:
        a: scores, [B, N, d].
        b: scores, [B, N, d].

    Returns:
        [B], from 0.
    """
    log_p, log_q = a.float().log_softmax(dim=2), b.float().log_softmax(dim=2)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=2).mean(dim=1)


@contextmanager
def _fixed_seed(batch: Batch, wanted: bool) -> Iterator[None]:
    """Draw the same random numbers in every call, and leave the generators as they were; not wanted: do nothing."""
    if not wanted:
        yield
        return
    device = batch.labels.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
