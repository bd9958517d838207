"""LFM: training first aligns the modalities, then shifts its weight to the labels."""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, normalize

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction, mean_over_present, parameters_of
from avtrain.methods.mmpareto import weight_of_joint
from avtrain.methods.shared.gap_schedule import (
    FITTED_EPOCHS,
    HELD_OUT,
    LIMITS,
    fitted_label_weight,
    learning_rate,
    limited,
    mean_hessian_product,
)
from avtrain.methods.shared.unimodal_features import FeatureOptions, UnimodalFeatures, linear_heads, unimodal_losses

Schedule = Literal["as_described", "fitted", "learned", "learned_exact", "min_norm", "deleted_script", "as_released"]
RELEASED = ("fitted", "learned", "learned_exact", "min_norm")  # in which the loss has a factor of 2


class LFMConfig(FeatureOptions):
    """Options of `lfm`."""

    schedule: Schedule = Field(
        "as_described",
        description="weight of the matching: 1 - exp(-1/t) in epoch t; fitted, learned, min_norm: as in the code; "
        "deleted_script: exp(0.3 - 0.3 t), formerly called as_released",
    )
    matching: Literal["as_described", "scores", "as_released"] = Field(
        "as_described",
        description="contrastive, on projections; or the divergence of class scores, as in the code; "
        "as_released: of features, as in a script deleted there",
    )
    fitting: Literal["each", "mean"] = Field(
        "each", description="cross-entropy of each modality's scores; or of their mean, as released"
    )
    temperature: float = Field(0.07, description="temperature of the contrastive loss", gt=0)
    schedule_lr: float = Field(1e-4, description="schedule learned: step of its weight, halved every 20 epochs", gt=0)
    embedding: int = Field(128, description="width of the projections that the contrastive loss compares", ge=1)


class LFM(UnimodalFeatures):
    """Late fusion trained by cross-entropy and a matching of the modalities, whose weight falls from epoch to epoch.

    Yang et al.: Facilitating multimodal classification via dynamically learning modality gap, NeurIPS 2024.

        L = a_t L_match + (1 - a_t) L_label        a_t = 1 - exp(-1 / t), epoch t = 1, 2, ...

    L_match is CLIP's symmetric contrastive loss, averaged over all pairs m, n of modalities.  With e = P h / |P h| and
    s_ij = <e_mi, e_nj> / tau, it is the mean over i of (-log softmax_j(s_ij) - log softmax_j(s_ji)) / 2 at j = i, where
    i and j are samples that have both modalities.  L_label is the mean of the modalities' cross-entropies, each over
    the samples that have the modality.  The prediction is the mean of the logits of the modalities present.

    This is the paper's heuristic strategy.  We have not seen the paper's equations: a_t is known at second hand, and
    that it weighs the matching follows from the code.  Whether the paper fits each modality or their mean, and whether
    it projects features, is not known to us.

    Released code: L = 2 (a_t A + (1 - a_t) L_label), L_label of the mean of the logits (`fitting: mean`), and A no
    contrastive loss but a divergence of the class scores (`matching: scores`): for their softmax p and q and its mean r
    it is (KL(r || p) + KL(r || q)) / 2, whereas the Jensen-Shannon divergence has p and q first.  Three schedules:
      fitted          The default script: 1 - a_t is a polynomial of fifth degree, from 0.20 in the first epoch over
                      0.54 in the 101st to 0.99 in the 176th.  It is made for 200 epochs, and t counts as there: a
                      shorter training sees its beginning alone.
      learned         a starts at 0.95.  In each epoch's first step, 8 samples are held out, and a <- a - lr mean(v), in
                      0.05 to 0.95, with v = grad(grad L . grad L_label) on them, of the first weight tensor alone.
                      Which 8 samples the code takes is not known to us.  It never differentiates by a.
      learned_exact   Ours: a <- a - lr d/da L_label on the 8 samples after that step, by its plain gradient:
                      -eta <grad L_label(theta'), grad 2 (A - L_label)(theta)>, eta the learning rate of the weights.
      min_norm        Both gradients have weight 1 / 2, or, where they conflict, those of their shortest combination.
    `schedule: deleted_script` (formerly `as_released`) and `matching: as_released`, of features, are of a script that
    was deleted from that repository: a_t = exp(-0.3 (t - 1)), limited to 0.05 to 0.95, without the factor of 2.
    """

    name = "lfm"
    source = "Yang et al., NeurIPS 2024"
    Config = LFMConfig
    modalities_limit = (2, None)

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: LFMConfig) -> None:
        super().__init__(backbone, config)
        self.config, self.learned_weight = config, LIMITS[1]
        if config.schedule == "learned" and dist.is_available() and dist.is_initialized():
            raise UsageError(
                "method.schedule=learned differentiates twice, which several processes cannot: train in one"
            )
        self.heads = linear_heads(backbone.modalities, self.width, classes)
        projected = backbone.modalities if config.matching == "as_described" else ()
        self.projections = linear_heads(projected, self.width, config.embedding)

    def forward(self, batch: Batch) -> Prediction:
        return self._predict(self.features(batch), batch)

    def loss(self, batch: Batch) -> Tensor:
        matching, fitting = self._losses(batch)
        return self._weighted(matching, fitting, self.matching_weight(self.progress.epoch))

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        self._check_schedule()
        if self.config.schedule == "min_norm":
            return self._min_norm_step(batch, optimizer)
        if self.config.schedule in ("learned", "learned_exact") and self.progress.step == 0 and len(batch) > HELD_OUT:
            return self._learning_step(batch, optimizer)
        return super().training_step(batch, optimizer)

    def matching_weight(self, epoch: int) -> float:
        """Return a_t, the weight of the matching.  epoch: t, from 1."""
        if self.config.schedule == "as_described":
            return 1 - math.exp(-1 / epoch)
        if self.config.schedule == "fitted":
            return 1 - fitted_label_weight(epoch)
        if self.config.schedule in ("learned", "learned_exact"):
            return self.learned_weight
        if self.config.schedule == "min_norm":
            return 0.5  # where the gradients do not conflict
        return limited(math.exp(-0.3 * (epoch - 1)))

    def training_state(self) -> dict[str, Any]:
        return {"learned_weight": self.learned_weight} if self.config.schedule.startswith("learned") else {}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        self.learned_weight = state.get("learned_weight", self.learned_weight)

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the losses of matching and of fitting the labels."""
        h = self.features(batch)
        prediction = self._predict(h, batch)
        compared = prediction.per_modality if self.config.matching == "scores" else h
        return self._matching(compared, batch), self._fitting(prediction, batch)

    def _weighted(self, matching: Tensor, fitting: Tensor, weight: float) -> Tensor:
        factor = 2 if self.config.schedule in RELEASED else 1
        return factor * (weight * matching + (1 - weight) * fitting)

    def _min_norm_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """Update by 2 (a g + (1 - a) u), g and u the gradients of matching and fitting, a of their min-norm."""
        matching, fitting = self._losses(batch)
        g, u = self._gradients(matching, optimizer, keep_graph=True), self._gradients(fitting, optimizer)
        zeros = [torch.zeros_like(weight).flatten() for weight in parameters_of(optimizer)]
        a = weight_of_joint(
            *(
                torch.cat([zero if x is None else x.flatten() for x, zero in zip(each, zeros, strict=True)])
                for each in (g, u)
            )
        )
        for weight, g_w, u_w in zip(parameters_of(optimizer), g, u, strict=True):
            found = [2 * share * x for share, x in ((a, g_w), (1 - a, u_w)) if x is not None]
            weight.grad = torch.stack(found).sum(dim=0) if found else None
        self.update(optimizer)
        return self._weighted(matching, fitting, 0.5).detach()

    def _learning_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """Hold 8 samples out of the step, and change the learned weight by what they say."""
        held_out, rest = batch.rows(slice(0, HELD_OUT)), batch.rows(slice(HELD_OUT, None))
        step = learning_rate(self.config.schedule_lr, self.progress.epoch)
        if self.config.schedule == "learned":
            with sdpa_kernel(SDPBackend.MATH):  # other kernels of attention have no second derivative
                matching, fitting = self._losses(held_out)
                loss = self._weighted(matching, fitting, self.learned_weight)
                v = mean_hessian_product(loss, fitting, parameters_of(optimizer))
            result = super().training_step(rest, optimizer)
        else:
            matching, fitting = self._losses(rest)
            by_weight = self._gradients(2 * (matching - fitting), optimizer, keep_graph=True)
            result = self._weighted(matching, fitting, self.learned_weight)
            self.backward(result, optimizer)
            self.update(optimizer)
            after = self._gradients(self._losses(held_out)[1], optimizer)
            pairs = zip(after, by_weight, strict=True)
            dots = [(x * y).sum() for x, y in pairs if x is not None and y is not None]
            v = -optimizer.param_groups[0]["lr"] * float(torch.stack(dots).sum())
        self.learned_weight = limited(self.learned_weight - step * v)
        return result.detach()

    def _gradients(
        self, loss: Tensor, optimizer: torch.optim.Optimizer, keep_graph: bool = False
    ) -> list[Tensor | None]:
        self.backward(loss, optimizer, keep_graph)
        return [weight.grad for weight in parameters_of(optimizer)]

    def _check_schedule(self) -> None:
        if self.config.schedule == "fitted" and self.progress.epochs > FITTED_EPOCHS:
            raise UsageError(
                f"method.schedule=fitted is made for {FITTED_EPOCHS} epochs and leaves 0 to 1 after them; this "
                f"training has {self.progress.epochs}: lower --epochs, or choose another schedule"
            )

    def _predict(self, h: dict[str, Tensor], batch: Batch) -> Prediction:
        logits = {m: self.heads[m](x) for m, x in h.items()}
        return Prediction(mean_over_present(logits, batch.present), logits)

    def _fitting(self, prediction: Prediction, batch: Batch) -> Tensor:
        if self.config.fitting == "mean":
            return cross_entropy(prediction.logits.float(), batch.labels)
        return torch.stack(list(unimodal_losses(prediction.per_modality, batch).values())).mean()

    def _matching(self, h: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the mean matching loss over all pairs of modalities.  h: modality -> [B, D], features or scores."""
        if self.config.matching == "as_described":
            h = {m: self.projections[m](x) for m, x in h.items()}
        losses = []
        for m, n in combinations(h, 2):
            both = batch.present[m] & batch.present[n]
            pair = h[m][both].float(), h[n][both].float()
            if self.config.matching == "as_described":
                losses.append(contrastive_loss(*pair, self.config.temperature))
            else:
                losses.append(divergence(*pair))
        return torch.stack(losses).mean()


def contrastive_loss(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Compute CLIP's symmetric contrastive loss (Radford et al., ICML 2021); row i of a and row i of b match.

    Args:
        a: [B, D].
        b: [B, D].
        temperature: tau, above 0.

    Returns:
        A scalar; 0 for no rows and for one row.
    """
    with torch.autocast(a.device.type, enabled=False):  # a small temperature magnifies rounding errors
        similarity = normalize(a, dim=1) @ normalize(b, dim=1).T / temperature
        log_p = similarity.log_softmax(dim=1).diagonal() + similarity.log_softmax(dim=0).diagonal()
    return -log_p.sum() / (2 * max(1, len(a)))


def divergence(a: Tensor, b: Tensor) -> Tensor:
    """Compute (KL(r || p) + KL(r || q)) / 2 for p = softmax(a), q = softmax(b) and their mean r, averaged over rows.

    Args:
        a: [B, D].
        b: [B, D].

    Returns:
        A scalar; 0 for no rows.
    """
    log_p, log_q = a.log_softmax(dim=1), b.log_softmax(dim=1)
    log_r = torch.logaddexp(log_p, log_q) - math.log(2)
    each = (log_r.exp() * (log_r - (log_p + log_q) / 2)).sum(dim=1)
    return each.sum() / max(1, len(a))
