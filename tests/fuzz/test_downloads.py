"""Hostile servers and damaged archives: the whole file, or one error that keeps what was there."""

import bz2
import gzip
import hashlib
import io
import lzma
import socket
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from numpy.random import default_rng

from avbuild.errors import UserError
from avbuild.sources.download import fetch
from avbuild.sources.unpack import unpack
from tests.fuzz.damage import CASES, cases, no_hang

CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT).hexdigest()
HAVE = 1_000  # bytes of an earlier attempt


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Serve the same bytes to every connection; yield the address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(answer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/corpus.bin"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode("latin-1")


LENGTH = f"Content-Length: {len(CONTENT)}"
RANGE = f"Content-Range: bytes {HAVE}-{len(CONTENT) - 1}/{len(CONTENT)}"
CHUNKED = "Transfer-Encoding: chunked"
WRONG = {
    "no answer": b"",
    "no HTTP": b"\x00\xff garbage\r\n\r\n",
    "status": b"HTTP/1.1 abc OK\r\n\r\n",
    "negative length": head("200 OK", "Content-Length: -5") + CONTENT,
    "no number": head("200 OK", "Content-Length: many") + CONTENT,
    "two lengths": head("200 OK", LENGTH, "Content-Length: 5") + CONTENT,
    "long number": head("200 OK", "Content-Length: " + "9" * 5_000) + CONTENT,
    "short body": head("200 OK", LENGTH) + CONTENT[:-1],
    "no length": head("200 OK") + CONTENT,
    "no content": head("204 No Content"),
    "gzip": head("200 OK", LENGTH, "Content-Encoding: gzip") + CONTENT,
    "bad chunk": head("200 OK", CHUNKED) + b"zz\r\nxx\r\n",
    "cut chunk": head("200 OK", CHUNKED) + b"ff\r\nxx",
    "no last chunk": head("200 OK", CHUNKED) + b"2\r\nxx\r\n",
    "nowhere": head("302 Found", "Location: http://127.0.0.1:9/"),
    "no host": head("302 Found", "Location: http:///x"),
    "bad host": head("302 Found", "Location: http://[::1"),
    "bad port": head("302 Found", "Location: http://127.0.0.1:port/"),
    "to a file": head("302 Found", "Location: file:///etc/passwd"),
    "control": head("302 Found", "Location: http://a\x01b/"),
    "endless": head("302 Found", "Location: /corpus.bin"),
    "many headers": head("200 OK", *(f"a{n}: b" for n in range(300))),
    "long header": head("200 OK", "a: " + "b" * 100_000),
    "escape": b"HTTP/1.1 500 \x1b[1mred\r\n\r\n",
    "other start": head("206 Partial", f"Content-Range: bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}") + CONTENT[5:],
    "no range": head("206 Partial", f"Content-Length: {len(CONTENT) - HAVE}") + CONTENT[HAVE:],
    "many parts": head("206 Partial", "Content-Type: multipart/byteranges; boundary=x") + b"--x\r\n",
    "other length": head("206 Partial", RANGE, "Content-Length: 7") + CONTENT[HAVE:],
    "short rest": head("206 Partial", RANGE) + CONTENT[HAVE:-1],
    "too much there": head("416 Range Not Satisfiable", "Content-Range: bytes */10"),
    "unknown end": head("416 Range Not Satisfiable"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("md5", [MD5, None], ids=["md5", "no md5"])
def test_a_wrong_answer_is_one_error_that_keeps_what_was_there(tmp_path: Path, kind: str, md5: str | None) -> None:
    if md5 and kind in ("no length", "unknown end"):
        pytest.skip("the checksum decides")
    part = tmp_path / "corpus.bin.part"
    part.write_bytes(CONTENT[:HAVE])
    with answering(WRONG[kind]) as url, no_hang(), pytest.raises(UserError, match="by hand") as caught:
        fetch(url, tmp_path / "corpus.bin", md5, "get it by hand")
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "corpus.bin").exists()
    assert part.exists()


@pytest.mark.parametrize("answer", [
    head("200 OK", LENGTH) + CONTENT,
    head("200 OK", CHUNKED) + b"%x\r\n" % len(CONTENT) + CONTENT + b"\r\n0\r\n\r\n",
    head("206 Partial", RANGE) + CONTENT[HAVE:],
    head("206 Partial", RANGE, f"Content-Length: {len(CONTENT) - HAVE}") + CONTENT[HAVE:],
], ids=["whole", "chunked", "rest", "rest with length"])  # fmt: skip
def test_a_right_answer_gives_the_file_without_a_checksum(tmp_path: Path, answer: bytes) -> None:
    (tmp_path / "corpus.bin.part").write_bytes(CONTENT[:HAVE])
    with answering(answer) as url:
        assert fetch(url, tmp_path / "corpus.bin", None, "").read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["http://", "no address", "http://[", "http://a b/", "http://127.0.0.1:x/", "foo://x"])
def test_a_malformed_address_is_one_error(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="download failed"):
        fetch(url, tmp_path / "corpus.bin", MD5, "")


def test_damaged_answers(tmp_path: Path) -> None:
    answers = (WRONG["short body"] + CONTENT[-1:], head("206 Partial", RANGE) + CONTENT[HAVE:], WRONG["cut chunk"])
    for seed, whole in enumerate(answers):
        top = whole.index(b"\r\n\r\n") + 4
        for number, (_, data) in enumerate(cases(whole[:top], seed, CASES)):
            target = tmp_path / f"{seed}-{number}"
            if number % 2:
                target.with_name(f"{target.name}.part").write_bytes(CONTENT[:HAVE])
            with answering(data + whole[top:]) as url, no_hang():
                try:
                    fetch(url, target, MD5, "by hand")
                except UserError as error:
                    assert "\n" not in str(error)
                    assert not target.exists()
                else:
                    assert target.read_bytes() == CONTENT


def tar_bytes(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def zip_bytes(members: dict[str, bytes], method: int) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return sink.getvalue()


MEMBERS = {f"Corpus/{n}.txt": default_rng(n).bytes(200) for n in range(5)}
TAR = tar_bytes(MEMBERS)
ARCHIVES: dict[str, Callable[[], bytes]] = {
    "tar": lambda: TAR,
    "gz": lambda: gzip.compress(TAR, mtime=0),
    "bz2": lambda: bz2.compress(TAR),
    "xz": lambda: lzma.compress(TAR),
    "stored": lambda: zip_bytes(MEMBERS, zipfile.ZIP_STORED),
    "deflated": lambda: zip_bytes(MEMBERS, zipfile.ZIP_DEFLATED),
    "lzma": lambda: zip_bytes(MEMBERS, zipfile.ZIP_LZMA),
    "bzip2": lambda: zip_bytes(MEMBERS, zipfile.ZIP_BZIP2),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_damaged_archives(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "a"
    for number, (_, data) in enumerate(cases(ARCHIVES[kind](), len(kind), 2 * CASES)):
        archive.write_bytes(data)
        into = tmp_path / str(number)
        into.mkdir()
        with no_hang():
            try:
                unpack(archive, into, expect="Corpus")
            except UserError as error:
                assert str(archive) in str(error)
                assert "\n" not in str(error)
                assert list(into.iterdir()) == []
            else:
                assert [path.name for path in into.iterdir()] == ["Corpus"]


def refused(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "a").write_bytes(data)
    into = tmp_path / "into"
    into.mkdir()
    with no_hang(), pytest.raises(UserError, match=f"cannot be unpacked .*{why}"):
        unpack(tmp_path / "a", into, expect="Corpus")
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("name", ["/Corpus/x", "../Corpus/x", "Corpus/../../x", "C:/x", "Corpus\\..\\..\\x"])
@pytest.mark.parametrize("pack", [tar_bytes, lambda members: zip_bytes(members, zipfile.ZIP_STORED)])
def test_members_that_lead_out_are_refused(tmp_path: Path, name: str, pack: Callable[..., bytes]) -> None:
    refused(tmp_path, pack({"Corpus/a": b"1", name: b"2"}), "outside the target folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as file:
        info = tarfile.TarInfo("Corpus/x")
        info.type, info.linkname = kind, "Corpus/y"
        file.addfile(info)
    refused(tmp_path, sink.getvalue(), "is a link or a device")


def test_a_link_an_encrypted_member_and_an_unknown_method_in_a_zip_are_refused(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        link = zipfile.ZipInfo("Corpus/x")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    whole = zip_bytes(MEMBERS, zipfile.ZIP_STORED)
    entries = [place for place in range(len(whole)) if whole[place : place + 4] in (b"PK\x01\x02", b"PK\x03\x04")]
    encrypted, exotic = bytearray(whole), bytearray(whole)
    for place in entries:
        shift = 2 if whole[place + 2] == 1 else 0
        encrypted[place + 6 + shift] |= 1
        exotic[place + 8 + shift] = 97
    for number, (data, why) in enumerate(
        ((sink.getvalue(), "is a link"), (bytes(encrypted), "encrypted"), (bytes(exotic), "compression"))
    ):
        (tmp_path / str(number)).mkdir()
        refused(tmp_path / str(number), data, why)


def test_bombs_are_refused_by_the_size_that_they_declare(tmp_path: Path) -> None:
    info = tarfile.TarInfo("Corpus/x")
    info.size = 1 << 40
    bomb = bytearray(zip_bytes({"Corpus/x": bytes(100)}, zipfile.ZIP_DEFLATED))
    place = bomb.index(b"PK\x01\x02")
    bomb[place + 24 : place + 28] = struct.pack("<I", 0xFFFFFFF0)
    for number, data in enumerate((info.tobuf(tarfile.GNU_FORMAT), bytes(bomb))):
        (tmp_path / str(number)).mkdir()
        refused(tmp_path / str(number), data, "times its size")
