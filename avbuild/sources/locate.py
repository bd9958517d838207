"""Find a published corpus in the sources folder: unpacked, as its archive, or by downloading it."""

from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError
from avbuild.sources.download import check_md5, fetch, unpack


@dataclass(frozen=True, slots=True)
class Download:
    """A corpus that its publishers offer as one archive."""

    title: str
    folder: str  # its name when unpacked
    archive: str
    md5: str | None
    url: str
    page: str  # for people
    size: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A corpus that lies in a Git repository with large files, which is left to Git to fetch."""

    folder: str
    address: str


def find_source(source: Download | Repository, sources: Path, offline: bool) -> Path:
    """Return the unpacked folder of a published corpus; unpack or download it first where that is needed.

    Args:
        source: declared by the corpus.
        sources: the folder that holds published corpora.
        offline: whether downloading is forbidden.

    Raises UserError that says which file to put where, and from which page, where it cannot be had.
    """
    if (sources / source.folder).is_dir():
        return sources / source.folder
    if isinstance(source, Repository):
        raise UserError(
            f"{source.folder} is not in {sources}/. It is not downloaded for you, since it lies on Git LFS. Clone it "
            f"with\n  git lfs install && git clone {source.address} {sources / source.folder}\n"
            "or say where it is with --audio-root"
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
