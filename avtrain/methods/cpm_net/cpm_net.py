"""CPM-Net: every sample has a latent of its own, from which the views that it has can be decoded."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.cpm_net.latents import Decoders, class_means, classification_loss, reconstruction_loss
from avtrain.methods.shared.embeddings import EmbeddedSamples, EmbeddingMethod
from avtrain.methods.shared.fitted import Fitted

STEPS = 5  # of the decoders, and then of the latents, in an epoch
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam


class CPMNetConfig(Frozen):
    """Options of `cpm-net`."""

    latent: int = Field(128, description="width of a latent; as released: 128 to 512", ge=1)
    weight: float = Field(1.0, description="lambda, weight of the classification loss; as released: 1 or 10", ge=0)
    decoder_lr: float = Field(0.01, description="learning rate of the decoders; as released: 0.001 or 0.01", gt=0)
    latent_lr: float = Field(0.01, description="learning rate of the latents; as released: 0.01", gt=0)
    test_lr: float = Field(0.01, description="learning rate of a latent at test; as released: 0.01 or 0.001", gt=0)
    test_steps: int = Field(100, description="steps that fit a latent at test", ge=1)
    hidden: int = Field(0, description="width of a hidden layer; 0: one layer; as released: 0, or 150 to 350", ge=0)
    keep: float = Field(0.9, description="probability of keeping a hidden unit in training", gt=0, le=1)
    test_dropout: Literal["off", "as_released"] = Field("off", description="as_released: dropout is on at test")


class CPMNet(EmbeddingMethod):
    """Cross partial multi-view networks: latents that explain the views a sample has, and stand near their class.

    Zhang et al.: CPM-Nets, cross partial multi-view networks, NeurIPS 2019; TPAMI 2020 (Deep partial multi-view
    learning).

    Training sample i has a free latent h_i, [d], and every modality m a decoder f_m(h) = A_m h + b_m, [D_m]:

        R = sum_i sum_{m that i has} |f_m(h_i) - x_im|^2
        K = sum_i max(0, [c* != y_i] + F(i, c*) - F(i, y_i)),    c* = argmax_c F(i, c)
        F(i, c) = mean of <h_i, h_j> over the training samples j of class c, without i itself

    An epoch is 5 steps of Adam on R by the decoders, and then 5 on R + lambda K by the latents, each on all training
    samples at once.  A missing view has no part in anything.  At test h is fitted to R alone, from zeros, by steps of
    Adam that no other sample takes part in, and the scores are <h, mean latent of class c>, z: [B, C].

    Latents, decoders and both states of Adam go on from epoch to epoch.  Where the corruption of the training data is
    drawn anew, h_i follows the sample through its epochs.  The batch size has no influence.

    Released code: with a hidden layer (`hidden`), which has no activation, dropout stays on at test (`test_dropout:
    as_released`).  Here all samples share one draw a step, at test with a fixed seed, so that a prediction does not
    depend on its batch.  Latents start at normal numbers of deviation 0.1 and test latents at zeros, which is ours, as
    is the number of steps at test.  Lian et al. (GCNet) train for 30 or 300 epochs; 30 is the default.
    """

    name = "cpm-net"
    source = "Zhang et al., NeurIPS 2019"
    Config = CPMNetConfig
    default_epochs = 30

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: CPMNetConfig) -> None:
        super().__init__(backbone)
        if config.test_dropout == "as_released" and not config.hidden:
            raise UsageError(
                "method.test_dropout=as_released acts on a hidden layer, and method.hidden is 0: set it to 150 to 350"
            )
        self.config, self.classes = config, classes
        self.decoders = Decoders(self.widths, config.latent, config.hidden)
        self.means = ClassMeans(classes, config.latent)
        self.fitting: dict[str, Any] = {}  # latents and both states of Adam; empty before the first epoch

    def forward(self, batch: Batch) -> Prediction:
        h = self.fit_latents(self.embeddings(batch), batch.present)
        return Prediction(self.means(h))

    @torch.no_grad()
    def fit_latents(self, x: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Minimise the reconstruction loss by the latents of new samples, [B, d].

        Args:
            x: modality -> [B, D_m].
            present: modality -> bool [B].
        """
        dropping, generator = self.config.test_dropout == "as_released", Generator().manual_seed(0)
        weights = dict(self.decoders.named_buffers())
        first = next(iter(x.values()))
        h = first.new_zeros(first.shape[0], self.config.latent)  # unlike len, shape can be exported
        mean, square = torch.zeros_like(h), torch.zeros_like(h)  # Adam's moments, of each sample by itself
        for step in range(1, self.config.test_steps + 1):
            if step == 1 or dropping:
                maps = {
                    m: self.decoders.affine(m, weights, self.config.keep if dropping else 1.0, generator) for m in x
                }
                pulls = {m: (x[m] - b) @ a for m, (a, b) in maps.items()}  # [B, d]
                grams = {m: a.T @ a for m, (a, _) in maps.items()}  # [d, d]
            gradients = [(2 * (h @ grams[m] - pulls[m])).where(present[m][:, None], 0.0) for m in x]
            gradient = torch.stack(gradients).sum(dim=0)
            mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
            square = BETAS[1] * square + (1 - BETAS[1]) * gradient.square()
            scale = (square / (1 - BETAS[1] ** step)).sqrt() + EPSILON
            h = h - self.config.test_lr * mean / (1 - BETAS[0] ** step) / scale
        return h

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """Do nothing, since every step needs all training samples; returns 0."""
        return torch.zeros((), device=batch.labels.device)

    def end_epoch(self, batches: Iterable[Batch]) -> None:
        samples = self.embed_all(batches)
        with torch.enable_grad():
            h = self._alternate(samples)
        self.means.fit(h, samples.labels)

    def _alternate(self, samples: EmbeddedSamples) -> Tensor:
        """Take the steps of an epoch by the decoders and by the latents, and return the latents, [N, d]."""
        first = next(iter(samples.values.values()))
        start = self.fitting.get("latents", 0.1 * torch.randn(len(first), self.config.latent)).to(first)
        h, weights = start.clone().requires_grad_(), self.decoders.weights()
        optimizers = {
            "decoder": torch.optim.Adam(weights.values(), self.config.decoder_lr, BETAS, EPSILON),
            "latent": torch.optim.Adam([h], self.config.latent_lr, BETAS, EPSILON),
        }
        for name, optimizer in optimizers.items():
            if name in self.fitting:
                optimizer.load_state_dict(self.fitting[name])
            for _ in range(STEPS):
                maps = {m: self.decoders.affine(m, weights, self.config.keep) for m in samples.values}
                loss = reconstruction_loss(h, samples.values, samples.present, maps)
                if name == "latent":
                    loss = loss + self.config.weight * classification_loss(h, samples.labels, self.classes)
                optimizer.zero_grad()
                torch.autograd.backward(loss, inputs=optimizer.param_groups[0]["params"])
                optimizer.step()
            self.fitting[name] = optimizer.state_dict()
        with torch.no_grad():
            for name, buffer in self.decoders.named_buffers():
                buffer.copy_(weights[name])
        latents: Tensor = h.detach()
        self.fitting["latents"] = latents
        return latents

    def training_state(self) -> dict[str, Any]:
        return dict(self.fitting)

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        self.fitting = dict(state)


class ClassMeans(Fitted):
    """The mean latent of each class; a sample's scores are its inner products with them."""

    means: Tensor

    def __init__(self, classes: int, latent: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(classes, latent))

    def forward(self, h: Tensor) -> Tensor:
        """Return the scores, [B, C]; -inf for a class without training samples.  h: [B, d]."""
        scores: Tensor = h @ self.means.T
        return scores.masked_fill((self.means == 0).all(dim=1), -torch.inf)

    @torch.no_grad()
    def fit(self, h: Tensor, labels: Tensor) -> None:
        """Compute the means.  h: [N, d]; labels: int64 [N]."""
        self.means.copy_(class_means(h, labels, len(self.means)))
