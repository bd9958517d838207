"""The record of a plug-in in `build.json` and in a run: what it defined, and which source made what is on disk."""

from avbuild.errors import UserError
from avbuild.frozen import Frozen
from avbuild.plugins.registry import Definition, defined
from avbuild.plugins.source import GROUPS, PluginSource, how_to_load


class PluginRecord(Frozen):
    """One thing that came from a plug-in."""

    group: str  # entry point group of its kind
    name: str
    origin: str  # name of the file, or the distribution as pip writes it
    digest: str  # sha256 of its source

    def __str__(self) -> str:
        return f"{GROUPS.get(self.group, self.group)} {self.name}"

    @property
    def key(self) -> str:
        """Name among all things of its group."""
        return self.name

    @property
    def loaded(self) -> Definition | None:
        """Definition of this name by the plug-ins of this process; None: there is none."""
        return defined(self.group).get(self.key)

    def absent(self) -> UserError:
        """Return the error for a process that needs the plug-in and does not have it."""
        return UserError(
            f"{self} comes from a plug-in that is not loaded here: {self.origin} (source {self.digest[:12]}); "
            f"{how_to_load(self.origin)}"
        )

    def change(self) -> str:
        """Return in which way the loaded plug-in is not the recorded one, or nothing where it is, or is not loaded."""
        found = self.loaded
        if found is None or found.source.digest == self.digest:
            return ""
        return (
            f"{self} was that of {self.origin} (source {self.digest[:12]}), and is now that of {found.source}: "
            "the source of the plug-in changed"
        )


def record_of(group: str, name: str, source: PluginSource) -> PluginRecord:
    """Return the record of what a plug-in defines.

    Args:
        group: entry point group of its kind.
        name: in the group.
        source: the plug-in.
    """
    return PluginRecord(group=group, name=name, origin=source.origin, digest=source.digest)
