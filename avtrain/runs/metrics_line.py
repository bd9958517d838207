"""A line of `metrics.jsonl`, which holds the measurements of one epoch."""

from typing import Any

from avtrain.runs.sealed import damaged, open_object


def read_metrics_line(data: bytes, origin: str = "metrics.jsonl") -> dict[str, Any]:
    """Parse a line of `metrics.jsonl`; a line written by version 0.1 is returned with the keys of this version.

    `selection` holds the accuracy per scenario on the split named by `selected_on`.  Version 0.1 called it
    `validation`, whichever the split.

    Args:
        data: of the line.
        origin: file and line, for the error.

    Raises:
        UserError: it is damaged.
    """
    line = open_object(data, origin)
    if not isinstance(line.get("epoch"), int):
        raise damaged(origin, "it names no epoch")
    return {"selection" if key == "validation" else key: value for key, value in line.items()}
