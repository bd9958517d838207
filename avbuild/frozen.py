"""The base of every model at the edge: manifests, options, records."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Cannot be changed, and knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
