"""The record of a plug-in's corruption: enough to check and list what it made where the plug-in is not loaded."""

from collections.abc import Iterable
from typing import Any, NoReturn

from avbuild.corruptions.registry import GROUP, Corruption, Domain
from avbuild.plugins.record import PluginRecord
from avbuild.plugins.source import PluginSource


class CorruptionRecord(PluginRecord):
    """A corruption of a plug-in, without its function."""

    modality: str
    version: int
    domain: Domain
    parameters: tuple[str, ...]
    within: tuple[tuple[float, float], ...]
    severities: tuple[tuple[float, ...], ...]
    small_severities: tuple[tuple[float, ...], ...]
    needs_clips: bool

    @property
    def key(self) -> str:
        """Name among all corruptions."""
        return f"{self.modality} {self.name}"

    def stand_in(self) -> Corruption:
        """Return the corruption as it was recorded; applying it raises UserError that names the plug-in."""
        return Corruption(
            name=self.name,
            modality=self.modality,
            version=self.version,
            domain=self.domain,
            parameters=self.parameters,
            within=self.within,
            severities=self.severities,
            small_severities=self.small_severities,
            needs_clips=self.needs_clips,
            function=self._refuse,
            plugin=PluginSource(self.origin, self.digest, place=""),
        )

    def _refuse(self, *arguments: Any, **resources: Any) -> NoReturn:
        raise self.absent()


def record_corruptions(corruptions: Iterable[Corruption]) -> tuple[CorruptionRecord, ...]:
    """Return the records of those corruptions that come from plug-ins, each once, in order of name.

    Args:
        corruptions: of a scenario.
    """
    found = {
        record.key: record for c in corruptions if c.plugin is not None for record in [_record(c, c.plugin)]
    }  # fmt: skip
    return tuple(found[key] for key in sorted(found))


def _record(corruption: Corruption, plugin: PluginSource) -> CorruptionRecord:
    return CorruptionRecord(
        group=GROUP,
        name=corruption.name,
        origin=plugin.origin,
        digest=plugin.digest,
        modality=corruption.modality,
        version=corruption.version,
        domain=corruption.domain,
        parameters=corruption.parameters,
        within=corruption.within,
        severities=corruption.severities,
        small_severities=corruption.small_severities,
        needs_clips=corruption.needs_clips,
    )
