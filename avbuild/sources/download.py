"""Download and unpack archives: downloads resume, checksums are verified, and names appear only when complete."""

import gzip
import hashlib
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from avbuild.errors import UserError, cannot_write
from avbuild.progress import byte_bar

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without data


def fetch(url: str, target: Path, md5: str | None, by_hand: str) -> Path:
    """Download a file by way of `target.part`, resuming an interrupted download.

    Args:
        url: of the file.
        target: path of the finished file.
        md5: checksum of the whole file; None: not verified.
        by_hand: what the user can do instead, for the error.

    Returns the target.

    Raises UserError where the download fails, cannot be written, or has another checksum.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        kept = (
            f" {part.stat().st_size:,} bytes are kept in {part}; run the same command again to resume."
            if part.exists()
            else ""
        )
        raise UserError(f"{url}: download failed ({reason}).{kept} {by_hand}") from error
    except OSError as error:
        raise cannot_write(part, error) from error
    if md5:
        check_md5(part, md5)
    part.replace(target)
    return target


def _download(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # no bytes after those: the file is complete
            return
        raise
    with response:
        continued = response.status == 206
        length = response.headers.get("Content-Length")
        total = int(length) + (have if continued else 0) if length else None
        with part.open("ab" if continued else "wb") as file:
            _copy(response, file, part.name.removesuffix(".part"), have if continued else 0, total)
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"connection closed at {part.stat().st_size:,} of {total:,} bytes")


def _copy(source: BinaryIO, target: BinaryIO, name: str, have: int, total: int | None) -> None:
    with byte_bar(name, have, total) as advance:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            advance(len(chunk))


def check_md5(path: Path, expected: str) -> None:
    """Compare a file with its published checksum; a wrong file is renamed to `NAME.wrong`.

    Args:
        path: of the file.
        expected: its md5, hexadecimal.

    Raises UserError where they differ.
    """
    found = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file, byte_bar(f"md5 {path.name}", 0, path.stat().st_size) as advance:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            advance(len(chunk))
    if found.hexdigest() != expected:
        wrong = path.with_name(path.name + ".wrong")
        path.replace(wrong)
        raise UserError(
            f"{path}: md5 is {found.hexdigest()}, expected {expected}; it was renamed to {wrong.name}. "
            "Run the same command again to download it again"
        )


def unpack(archive: Path, into: Path, expect: str) -> Path:
    """Unpack a zip or tar archive such that `into/expect` appears only when complete.

    Args:
        archive: to unpack; members with paths outside the target are refused.
        into: folder to unpack into.
        expect: name of the folder in the archive.

    Returns the unpacked folder.

    Raises UserError where the archive is damaged or holds something else, or the disk cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=into, prefix=f".unpacking-{expect}-") as name:
        staging = Path(name)
        try:
            if zipfile.is_zipfile(archive):
                _unzip(archive, staging)
            else:
                with tarfile.open(archive) as tar:
                    tar.extractall(staging, filter="data")
        except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise UserError(
                f"{archive}: cannot be unpacked ({error}); remove it and run the same command again"
            ) from error
        except OSError as error:
            raise cannot_write(into / expect, error) from error
        if not (staging / expect).is_dir():
            found = ", ".join(sorted(path.name for path in staging.iterdir())[:8]) or "nothing"
            raise UserError(f"{archive}: holds {found}, not {expect}/")
        shutil.move(staging / expect, into / expect)
    return into / expect


def _unzip(archive: Path, staging: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for member in file.namelist():
            if not (staging / member).resolve().is_relative_to(staging.resolve()):
                raise zipfile.BadZipFile(f"{member} would be unpacked outside the target folder")
        file.extractall(staging)
