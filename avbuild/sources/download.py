"""Download files: downloads resume, checksums are verified, and names appear only when complete."""

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from avbuild.errors import UserError, cannot_write
from avbuild.progress import byte_bar

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without data
SIZE = re.compile(r"[0-9]{1,15}")
RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")
UNSATISFIED = re.compile(r"bytes \*/([0-9]{1,15})")


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
        have = part.stat().st_size if part.exists() else 0
    except OSError as error:
        raise cannot_write(part, error) from error
    try:
        _download(url, part, have, checked=md5 is not None)
    # besides OSError, these are raised for answers that are no HTTP, and for addresses that are none
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        kept = (
            f" {part.stat().st_size:,} bytes are kept in {part}; run the same command again to resume."
            if part.exists()
            else ""
        )
        raise UserError(f"{url}: download failed ({_one_line(reason)}).{kept} {by_hand}") from error
    if md5:
        check_md5(part, md5)
    part.replace(target)
    return target


def _one_line(reason: object) -> str:
    """Return a reason, which may quote what a server sent, so that it can be printed."""
    text = str(reason) or type(reason).__name__
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]


def _download(url: str, part: Path, have: int, checked: bool) -> None:
    """Download a file, or its rest.

    Args:
        url: of the file.
        part: to write to.
        have: bytes that it holds.
        checked: whether the checksum of the whole is known; if not, the server must say how long the file is.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()
        whole = UNSATISFIED.fullmatch(error.headers.get("Content-Range") or "")
        if (checked and whole is None) or (whole is not None and int(whole[1]) == have):
            return  # no bytes after those: the file is complete
        raise ConnectionError(f"the {have:,} bytes in {part.name} are not the start of it; remove that file") from None
    with response:
        start, total = _extent(response, have)
        if total is None and not checked and not response.chunked:
            raise ConnectionError("the server does not say how long the file is, and no checksum is known")
        with _opened(part, "ab" if start else "wb") as file:
            _copy(response, file, part.name.removesuffix(".part"), start, total)
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"connection closed at {part.stat().st_size:,} of {total:,} bytes")


def _extent(response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Return where an answer starts in the file, and the bytes of the whole file where they are known.

    Raises ConnectionError for an answer that is not the file, or its rest after the bytes that are there.
    """
    headers = response.headers
    if response.status not in (200, 206):
        raise ConnectionError(f"the server answers {response.status}, not with the file")
    if (coding := headers.get("Content-Encoding", "identity")) != "identity":
        raise ConnectionError(f"the server sends it encoded as {coding}")
    written = ", ".join(headers.get_all("Content-Length", []))
    if written and not SIZE.fullmatch(written):
        raise ConnectionError(f"malformed Content-Length {written!r}")
    length = int(written) if written and not response.chunked else None
    if response.status == 200:
        return 0, length
    given = headers.get("Content-Range") or "none"
    found = RANGE.fullmatch(given)
    start, end, total = map(int, found.groups()) if found else (-1, -1, -1)
    if start != have or end != total - 1 or length not in (None, total - start):
        raise ConnectionError(f"asked for the bytes from {have:,} on, the server sends others (Content-Range: {given})")
    return start, total


def _opened(part: Path, mode: str) -> IO[bytes]:
    try:
        return part.open(mode)
    except OSError as error:
        raise cannot_write(part, error) from error


def _copy(source: http.client.HTTPResponse, target: IO[bytes], name: str, have: int, total: int | None) -> None:
    with byte_bar(name, have, total) as advance:
        while chunk := source.read(CHUNK):
            try:
                target.write(chunk)
                target.flush()  # a full disk is found here, where it is told from a broken connection
            except OSError as error:
                raise cannot_write(target.name, error) from error
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
