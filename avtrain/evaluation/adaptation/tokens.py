"""The place where tokens leave the encoders, for any method: they can be read and changed there."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction

Tokens = dict[str, Tensor]  # modality -> [B, N, D]
TokenChange = Callable[[Tokens, Batch], Tokens]


def predict_through(method: Method, batch: Batch, change: TokenChange, *, gradients: bool = False) -> Prediction:
    """Run a method's forward pass with changed tokens.

    Methods read a backbone by `encode` or `frozen_tokens`, or pool tokens that they made themselves.  The tokens are
    changed at the first of these calls in the pass, so what follows sees them changed once.

    Args:
        method: any method with a backbone.
        batch: with inputs or cached tokens.
        change: gets the tokens of all modalities and the batch, and returns the tokens to go on with.
        gradients: whether frozen encoders are differentiated too, where their weights ask for it.

    Raises:
        UsageError: the method reads its backbone in another way.
    """
    changed = False

    def once(tokens: Tokens) -> Tokens:
        nonlocal changed
        if changed:
            return tokens
        changed = True
        return change(tokens, batch)

    with _calls_replaced(method.backbone, once, gradients):
        prediction: Prediction = method(batch)
    if not changed:
        raise UsageError(
            f"method {method.name} neither encodes nor pools tokens by its backbone's functions, so they cannot be "
            "adapted; use an adapter that changes weights, such as tent"
        )
    return prediction


def unchanged(tokens: Tokens, batch: Batch) -> Tokens:
    """Return the tokens as they are, for a pass that only needs gradients."""
    return tokens


@contextmanager
def _calls_replaced(backbone: Backbone, once: Callable[[Tokens], Tokens], gradients: bool) -> Iterator[None]:
    """Pass the tokens of a backbone's calls through a function; the backbone is as before afterwards."""

    def with_gradients() -> Any:
        return torch.enable_grad() if gradients else nullcontext()

    encode, pool, pool_unimodal = backbone.encode, backbone.pool, backbone.pool_unimodal
    # without the decorator that switches gradients off, of whatever class defines it
    encode_frozen = inspect.unwrap(type(backbone).encode_frozen) if gradients else type(backbone).encode_frozen

    def encode_changed(batch: Batch) -> Tokens:
        with with_gradients():
            return once(encode(batch))

    def read_changed(batch: Batch, reading: Reading) -> Tokens:
        with with_gradients():
            return once(batch.tokens or encode_frozen(backbone, batch, reading))

    def pool_changed(tokens: Tokens, present: dict[str, Tensor]) -> Tokens:
        with with_gradients():
            return pool(once(tokens), present)

    def pool_unimodal_changed(tokens: Tokens) -> Tokens:
        with with_gradients():
            return pool_unimodal(once(tokens))

    replaced = {
        "encode": encode_changed,
        "frozen_tokens": read_changed,
        "pool": pool_changed,
        "pool_unimodal": pool_unimodal_changed,
    }
    try:
        for name, call in replaced.items():
            object.__setattr__(backbone, name, call)
        yield
    finally:
        for name in replaced:
            backbone.__dict__.pop(name, None)
