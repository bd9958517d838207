"""Change a file of a run as somebody would who writes its digest anew."""

import json
from pathlib import Path
from typing import Any

from avtrain.runs.sealed import open_object, sealed_object


def rewrite(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes a key."""
    content = open_object(path.read_bytes(), str(path)) | changes
    path.write_text(json.dumps(sealed_object({k: v for k, v in content.items() if v is not None or k not in changes})))
