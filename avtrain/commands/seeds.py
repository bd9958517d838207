"""The seeds of a command line."""

from avbuild.errors import UsageError


def parse_seeds(text: str) -> list[int]:
    """`0,1,2` to numbers.  Raises UsageError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts) or len(set(parts)) < len(parts):
        raise UsageError(f"--seeds {text}: give different whole numbers, such as 0,1,2")
    return [int(part) for part in parts]
