"""Digests of weights and of data: equal content has an equal digest, wherever it came from."""

import hashlib
from collections.abc import Mapping

from torch import Tensor

from avtrain.data.samples import Rows


def digest_weights(weights: Mapping[str, Tensor]) -> str:
    """Return a digest of names and values, 32 hexadecimal digits."""
    found = hashlib.blake2b(digest_size=16)
    for name, value in weights.items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def digest_rows(rows: Rows) -> str:
    """Return a digest of sample ids and encoded media, 32 hexadecimal digits."""
    found = hashlib.blake2b(digest_size=16)
    for sample in rows.samples:
        found.update(sample.id.encode())
        for modality, data in sample.media.items():
            for part in data if isinstance(data, tuple) else (data,):
                found.update(modality.encode() + len(part).to_bytes(8, "big"))
                found.update(part)
    return found.hexdigest()
