"""Downloads: they resume, checksums are verified, and a final name never has incomplete content."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from avbuild.errors import UserError
from avbuild.sources import urbansound8k
from avbuild.sources.download import fetch
from avbuild.sources.locate import Download, find_source
from avbuild.sources.unpack import unpack
from tests.support.full_disk import no_file_above

CONTENT = bytes(range(256)) * 4_000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT, with or without ranges; can close one connection early."""

    break_at: int | None = None
    ranges: bool = True
    requested: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requested.append(wanted)
        start = int(wanted.split("=")[1].rstrip("-")) if wanted and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        stop, self.server.break_at = self.server.break_at, None
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.requested = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/corpus.bin"


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_resumes(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.break_at, server.ranges = 300_000, ranges
    target = tmp_path / "corpus.bin"
    with pytest.raises(UserError, match="300,000 bytes are kept"):
        fetch(url(server), target, MD5, "by hand")
    assert not target.exists()
    fetch(url(server), target, MD5, "by hand")
    assert target.read_bytes() == CONTENT
    assert server.requested == [None, "bytes=300000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.bin"]


def test_a_download_resumes_after_a_full_disk(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "corpus.bin"
    with (
        no_file_above(300_000),
        pytest.raises(UserError, match=r"bin\.part: cannot be written: File too large"),
    ):
        fetch(url(server), target, MD5, "by hand")
    assert not target.exists()
    fetch(url(server), target, MD5, "by hand")
    assert target.read_bytes() == CONTENT


def test_a_complete_partial_file_is_not_downloaded_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "corpus.bin.part").write_bytes(CONTENT)
    assert fetch(url(server), tmp_path / "corpus.bin", MD5, "").read_bytes() == CONTENT


def test_a_file_with_a_wrong_checksum_does_not_get_the_final_name(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"md5 is {MD5}, expected 0123"):
        fetch(url(server), tmp_path / "corpus.bin", "0123", "")
    assert not (tmp_path / "corpus.bin").exists()
    assert not (tmp_path / "corpus.bin.part").exists()


def test_without_network_the_error_says_what_to_do_by_hand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="put it by hand"):
        fetch("http://127.0.0.1:9/none", tmp_path / "corpus.bin", MD5, "put it by hand")


def archive(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, data in members.items():
                file.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_an_archive_is_unpacked(tmp_path: Path, name: str) -> None:
    packed = archive(tmp_path / name, {"Corpus/audio/a.wav": b"1", "Corpus/b.csv": b"2"})
    assert (unpack(packed, tmp_path, expect="Corpus") / "audio" / "a.wav").read_bytes() == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["Corpus", name])


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_an_archive_member_outside_the_target_is_refused(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    packed = archive(tmp_path / name, {"Corpus/a": b"1", "../evil": b"2"})
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(packed, inside, expect="Corpus")
    assert list(inside.iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_truncated_archive_leaves_no_files(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a.tar.gz", {"Corpus/a": bytes(100_000)})
    packed.write_bytes(packed.read_bytes()[:60])
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(packed, tmp_path, expect="Corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_unpacking_on_a_full_disk_leaves_no_files(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a.zip", {"Corpus/a": CONTENT})
    with no_file_above(300_000), pytest.raises(UserError, match="Corpus: cannot be written: File too large"):
        unpack(packed, tmp_path, expect="Corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    assert (unpack(packed, tmp_path, expect="Corpus") / "a").read_bytes() == CONTENT


def test_a_source_is_found_as_an_archive_and_as_an_unpacked_folder(tmp_path: Path) -> None:
    packed = archive(tmp_path / "corpus.tar.gz", {"Corpus/a": b"1"})
    md5 = hashlib.md5(packed.read_bytes()).hexdigest()
    corpus = Download("Corpus", "Corpus", "corpus.tar.gz", md5, "http://127.0.0.1:9/", "its page", "1 GB")
    assert find_source(corpus, tmp_path, offline=True) == tmp_path / "Corpus"
    packed.unlink()
    assert find_source(corpus, tmp_path, offline=True) == tmp_path / "Corpus"


def test_the_offline_error_names_file_size_page_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_source(urbansound8k.DOWNLOAD, tmp_path / "sources", offline=True)
    for part in ("UrbanSound8K.tar.gz", "6 GB", "zenodo.org/records/1203745", str(tmp_path / "sources")):
        assert part in str(caught.value)
