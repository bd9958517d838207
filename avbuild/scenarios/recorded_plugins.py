"""The plug-ins that a data set or a run was made with, as they are recorded there.

A manifest that names their corruptions can then be read where the plug-ins are not loaded.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from avbuild.corruptions.plugin_record import CorruptionRecord
from avbuild.errors import UserError
from avbuild.places import file_system, reaching
from avbuild.scenarios.spec import Scenario

Recorded = Mapping[tuple[str, str], CorruptionRecord]  # (modality, name) -> record
RECORDS = TypeAdapter(list[CorruptionRecord])


def recorded_in_data_set(dataset: str) -> Recorded:
    """Return the corruptions of plug-ins that `build.json` records; nothing where there is none that can be read.

    Args:
        dataset: folder or URL of the data set.
    """
    path = f"{dataset.rstrip('/')}/build.json"
    try:
        system, place = file_system(path)
        with reaching(path):
            scenarios = json.loads(system.cat_file(place))["scenarios"].values()
        return by_name(
            record for scenario in scenarios for record in RECORDS.validate_python(scenario.get("plugins", []))
        )
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
        return {}  # those who read the data set report what is wrong with the file


def by_name(records: Iterable[CorruptionRecord]) -> Recorded:
    """Return records by modality and name."""
    return {(record.modality, record.name): record for record in records}


def recorded_in_run(config: Any) -> Recorded:
    """Return the corruptions of plug-ins that the configuration of a run records.

    Args:
        config: parsed YAML.
    """
    written = config.get("plugins", []) if isinstance(config, dict) else []
    records = [entry for entry in written if isinstance(entry, dict) and "modality" in entry]
    return by_name(RECORDS.validate_python(records))


def require_plugins(scenarios: Iterable[Scenario]) -> None:
    """Refuse scenarios whose corruptions are those of plug-ins that are not loaded here.

    Raises UserError that names the first plug-in that is absent.
    """
    for scenario in scenarios:
        for op in scenario.ops:
            if op.recorded is not None:
                raise op.recorded.absent()
