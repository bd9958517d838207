"""Options given by hand, checked against a frozen model; every mistake in one error."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen

Config = TypeVar("Config", bound=Frozen)


def parse_options(model: type[Config], options: Mapping[str, object], owner: str) -> Config:
    """The model these options make.  Raises UsageError that names every unknown key and every bad value."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        problems = []
        for found in error.errors():
            key = ".".join(map(str, found["loc"]))
            if found["type"] == "extra_forbidden":
                allowed = ", ".join(model.model_fields) or "none"
                problems.append(f"{key}: unknown option{nearest(key, model.model_fields)}; allowed: {allowed}")
            else:
                problems.append(f"{key}: {found['msg'][0].lower()}{found['msg'][1:]}, not {found['input']!r}")
        raise UsageError(f"{owner}: {len(problems)} problems\n" + "\n".join(f"  {line}" for line in problems)) from None
