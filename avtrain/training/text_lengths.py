"""A count of the training texts that have more tokens than the encoder is given, which training says at its start."""

import sys

import numpy as np

from avtrain.data.samples import Rows
from avtrain.distributed.row_sharing import is_rank0
from avtrain.frontends.base import AnyFrontend
from avtrain.frontends.text import TextFrontend

MOST = 2_000  # texts that are looked at, evenly spread over the split


def report_cut_texts(frontend: AnyFrontend, rows: Rows) -> dict[str, dict[str, int]]:
    """Count the texts that the front end cuts, and say so where there are any.

    Args:
        frontend: of the backbone.
        rows: of the training split.

    Returns:
        `cut_texts` for `result.json`: the number of texts looked at, and of those that are cut; nothing where no text
        is read.
    """
    if not isinstance(frontend, TextFrontend):
        return {}
    chosen = np.linspace(0, len(rows.samples) - 1, min(MOST, len(rows.samples))).round().astype(int)
    media = [rows.samples[int(row)].media.get("text") for row in chosen]
    texts = [data.decode() for data in media if isinstance(data, bytes)]
    cut = sum(frontend.vocabulary.is_cut(text, frontend.tokens) for text in texts)
    if cut and is_rank0():
        print(
            f"note: {cut:,} of {len(texts):,} training texts have more than {frontend.tokens} tokens and are cut; "
            "--set backbone.text_tokens=NUMBER changes that",
            file=sys.stderr,
        )
    return {"cut_texts": {"texts": len(texts), "cut": cut}}
