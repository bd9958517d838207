"""Find a published corpus in the sources folder: unpacked, as an archive, or by downloading it."""

from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError
from avbuild.sources.download import check_md5, fetch
from avbuild.sources.unpack import unpack


@dataclass(frozen=True, slots=True)
class Download:
    """A corpus that is published as one archive."""

    title: str
    folder: str  # name of the unpacked folder
    archive: str
    md5: str | None
    url: str
    page: str  # where users can download it by hand
    size: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A corpus in a Git repository with large files (LFS), which the user clones."""

    folder: str
    address: str


def find_source(source: Download | Repository, sources: Path, offline: bool) -> Path:
    """Return the unpacked folder of a published corpus; download and unpack it first if necessary.

    Args:
        source: declaration of the corpus.
        sources: folder that holds published corpora.
        offline: whether downloading is forbidden.

    Raises UserError that says which file to put where, and from which page, where it cannot be obtained.
    """
    if (sources / source.folder).is_dir():
        return sources / source.folder
    if isinstance(source, Repository):
        raise UserError(
            f"{source.folder} is not in {sources}/, and avbuild does not download it, since it is on Git LFS. Clone it "
            f"with\n  git lfs install && git clone {source.address} {sources / source.folder}\n"
            "or give its folder with --audio-root"
        )
    archive = sources / source.archive
    if archive.is_file():
        if source.md5:
            check_md5(archive, source.md5)
    else:
        by_hand = (
            f"Get {source.archive} ({source.size}) from {source.page} and put it, or its unpacked folder "
            f"{source.folder}/, into {sources}/"
        )
        if offline:
            raise UserError(f"{source.title} is not in {sources}/, and --offline forbids downloading it. {by_hand}")
        fetch(source.url, archive, source.md5, by_hand)
    return unpack(archive, sources, expect=source.folder)
