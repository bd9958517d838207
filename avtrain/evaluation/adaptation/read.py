"""READ: one step on queries, keys and values of the attention that joins the modalities; predicts after it."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.evaluation.adaptation.gradient import GradientAdapter, entropy, weights_of
from avtrain.methods.base import Method, Prediction

# what projections to queries, keys and values are called, in the encoders' published keys and in our own fusions
PROJECTIONS = {"query", "key", "value", "q_proj", "k_proj", "v_proj", "qkv"}


class Read(GradientAdapter):
    """One step of Adam on queries, keys and values of the joint block; the prediction follows the step.

    Yang et al.: Test-time adaption against multi-modal reliability bias (READ), ICLR 2024.

    With p_i the confidence of sample i, the largest probability, and gamma = e^-1,

        loss = mean_i p_i (1 - log p_i + log gamma) - H(softmax(sum_i softmax(z_i)))

    The first term raises confidences above e^-1 and lowers those below; the second spreads the batch over the classes.

    The joint block is that of `cav-mae`.  Where the backbone has none, the weights are those of the method's own
    attention between modalities; and where it has none either, those of the last attention of each encoder.
    """

    name: ClassVar[str] = "read"
    source: ClassVar[str] = "Yang et al., ICLR 2024"
    summary: ClassVar[str] = "queries, keys and values of the joint, fusion or last attention"
    predicts: ClassVar[Literal["before", "after"]] = "after"

    def select(self) -> Sequence[nn.Parameter]:
        return attention_weights(self.method, self.name)

    def loss(self, batch: Batch, prediction: Prediction) -> Tensor:
        return read_loss(prediction.logits)


def read_loss(logits: Tensor) -> Tensor:
    """Compute READ's loss, a scalar.  logits: [B, C]."""
    probabilities = logits.softmax(dim=1)
    confidence = probabilities.amax(dim=1)
    log_gamma = -1.0
    confident = (confidence * (1 - confidence.log() + log_gamma)).mean()
    return confident - entropy(probabilities.sum(dim=0))


def attention_weights(method: Method, user: str) -> list[nn.Parameter]:
    """Return the projections to queries, keys and values of the attention that joins the modalities, or comes last.

    Args:
        method: with its backbone.
        user: the adapter, for the error.

    Raises:
        UsageError: there is no attention.
    """
    backbone = method.backbone
    shared = set(backbone.shared_projections())
    joint = [m for name, m in backbone.named_modules() if m in shared and _last(name) in PROJECTIONS]
    inside = set(backbone.modules())
    fusion = [m for name, m in method.named_modules() if m not in inside and _last(name) in PROJECTIONS]
    found = weights_of(joint or fusion or _last_attentions(method))
    if not found:
        raise UsageError(
            f"--adapt {user}: neither method {method.name} nor backbone {backbone.name} has attention to adapt; "
            "choose another adapter"
        )
    return found


def _last_attentions(method: Method) -> list[nn.Module]:
    """Return the projections of the last block of each encoder that has blocks."""
    found: list[nn.Module] = []
    for modality in method.backbone.modalities:
        try:
            blocks = method.backbone.encoder(modality).blocks()
        except NotImplementedError:  # an encoder without transformer blocks
            continue
        if blocks:
            found += [module for name, module in blocks[-1].named_modules() if _last(name) in PROJECTIONS]
    return found


def _last(name: str) -> str:
    return name.rpartition(".")[2]
