"""Unpack archives such that a name appears only when complete."""

import errno
import lzma
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from avbuild.errors import UserError, cannot_write

DISK = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
)  # no archive's fault
LEAST_BOUND = 1 << 30  # bytes that any archive may unpack to
MOST_RATIO = 100  # times its own size that a larger one may unpack to; audio and images reach 3
# what Python's readers raise for damaged, encrypted (RuntimeError) and exotic (NotImplementedError) archives
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, LookupError,
    TypeError, AttributeError, OverflowError, MemoryError, struct.error,
)  # fmt: skip


class _Bound:
    """Refuses members that lead out of the folder, links, and more bytes than an archive of this size can hold."""

    def __init__(self, archive: Path) -> None:
        self.left = max(LEAST_BOUND, MOST_RATIO * archive.stat().st_size)

    def check(self, name: str, size: int, plain: bool) -> None:
        """Raise ValueError for a member that is not to be unpacked."""
        self.left -= size
        parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
        if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
            raise ValueError(f"{name[:80]!r} would be unpacked outside the target folder")
        if not plain:
            raise ValueError(f"{name[:80]!r} is a link or a device")
        if size < 0 or self.left < 0:
            raise ValueError(f"with {name[:80]!r} it unpacks to over {MOST_RATIO} times its size")


def unpack(archive: Path, into: Path, expect: str) -> Path:
    """Unpack a zip or tar archive such that `into/expect` appears only when complete.

    Args:
        archive: to unpack; members with paths outside the target are refused.
        into: folder to unpack into.
        expect: name of the folder in the archive.

    Returns the unpacked folder.

    Raises UserError where the archive is damaged or holds something else, or the disk cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=into, prefix=f".unpacking-{expect}-") as name:
            staging = Path(name)
            _unpack(archive, staging)
            if not (staging / expect).is_dir():
                found = ", ".join(sorted(path.name for path in staging.iterdir())[:8]) or "nothing"
                raise UserError(f"{archive}: holds {found}, not {expect}/")
            shutil.move(staging / expect, into / expect)
    except OSError as error:
        raise cannot_write(into / expect, error) from error
    return into / expect


def _unpack(archive: Path, staging: Path) -> None:
    try:
        bound = _Bound(archive)
        if zipfile.is_zipfile(archive):
            _unzip(archive, staging, bound)
        else:
            _untar(archive, staging, bound)
    except (OSError, *DAMAGED) as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise
        reason = "".join(letter if letter.isprintable() else " " for letter in str(error))[:200] or type(error).__name__
        raise UserError(
            f"{archive}: cannot be unpacked ({reason}); remove it and run the same command again"
        ) from error


def _untar(archive: Path, staging: Path, bound: _Bound) -> None:
    def checked(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        bound.check(member.name, member.size, plain=member.isreg() or member.isdir())
        return tarfile.data_filter(member, path)

    with tarfile.open(archive) as tar:
        tar.extractall(staging, filter=checked)


def _unzip(archive: Path, staging: Path, bound: _Bound) -> None:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            bound.check(member.filename, member.file_size, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
        file.extractall(staging)
