"""Workers, machines and interruptions: the bytes are always those of one uninterrupted process."""

import os
import random
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from avbuild.errors import UsageError
from avbuild.pipeline.engines import JobShare, parse_job_share
from tests.support.commands import AVBUILD, fail, succeed, tree

KILLS = int(os.environ.get("KILLS", "6"))  # benchmarks/kills.py kills 20 times
ALL_SHARDS = ("--scenario", "A,V,D", "--splits", "train,validation,test")


@pytest.fixture(scope="module")
def clean(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only the clean shards of a data set; do not change it."""
    folder = tmp_path_factory.mktemp("clean") / small_data.name
    shutil.copytree(small_data, folder)
    shutil.rmtree(folder / "D")
    where = ("--data", folder, "--workers", 1)
    succeed("corrupt", *ALL_SHARDS, *where)  # card and build.json have all three scenarios; their shards are removed
    for scenario in "AVD":
        shutil.rmtree(folder / scenario)
    return folder


@pytest.fixture(scope="module")
def reference(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file, as one uninterrupted process writes it."""
    folder = copy(clean, tmp_path_factory.mktemp("reference"))
    succeed("corrupt", *ALL_SHARDS, "--data", folder, "--workers", 1)
    return tree(folder)


def copy(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target / folder.name))


@pytest.mark.parametrize("text", ["4/4", "1", "-1/3", "a/b", "1/0"])
def test_an_invalid_job_share_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="write i/n with i from 0 to n - 1"):
        parse_job_share(text)


def test_job_shares_are_disjoint_and_complete() -> None:
    jobs = list(range(23))
    shares = [JobShare(index, 5).of(jobs) for index in range(5)]
    assert sorted(job for share in shares for job in share) == jobs


def test_job_shares_in_any_order_give_the_same_bytes(clean: Path, reference: dict[str, bytes], tmp_path: Path) -> None:
    folder = copy(clean, tmp_path)
    for index in (2, 0, 1):
        out = succeed("corrupt", *ALL_SHARDS, "--data", folder, "--workers", 1, "--job-share", f"{index}/3")
        assert "after all shares are written" in out
    shards = {name: data for name, data in reference.items() if name.endswith(".parquet")}
    assert {name: data for name, data in tree(folder).items() if name.endswith(".parquet")} == shards
    succeed("corrupt", *ALL_SHARDS, "--data", folder, "--workers", 1)
    assert tree(folder) == reference


def test_make_in_job_shares_gives_the_same_bytes(
    urbansound8k: Path, image_folder: Path, small_data: Path, tmp_path: Path
) -> None:
    command = ("make", "urbansound8k-av", "--audio-root", urbansound8k, "--images", f"folder:{image_folder}")
    command += ("--out", tmp_path, "--workers", 1)
    for index in range(2):
        succeed(*command, "--job-share", f"{index}/2")
    assert "not finished" in fail("inspect", tmp_path / "urbansound8k-av")
    succeed(*command)
    expected, found = tree(small_data), tree(tmp_path / "urbansound8k-av")
    assert {name: found[name] for name in found if name.startswith("C/")} == {
        name: expected[name] for name in expected if name.startswith("C/")
    }


def test_killing_and_restarting_corrupt_gives_the_same_bytes(
    clean: Path, reference: dict[str, bytes], tmp_path: Path
) -> None:
    folder = copy(clean, tmp_path)
    command = [*AVBUILD, "corrupt", *ALL_SHARDS, "--data", str(folder), "--workers", "2"]
    random_numbers = random.Random(0)
    killed = 0
    for _ in range(KILLS):
        no_output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, start_new_session=True, **no_output)
        time.sleep(random_numbers.uniform(0.5, 1.8))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        for name in ("A", "V", "D"):  # sometimes start over, so that kills hit every stage
            if random_numbers.random() < 0.2:
                shutil.rmtree(folder / name, ignore_errors=True)
    assert killed > KILLS / 2
    subprocess.run(command, check=True, capture_output=True)
    assert tree(folder) == reference


def test_two_processes_may_write_the_same_folder_at_once(
    clean: Path, reference: dict[str, bytes], tmp_path: Path
) -> None:
    folder = copy(clean, tmp_path)
    command = [*AVBUILD, "corrupt", *ALL_SHARDS, "--data", str(folder), "--workers", "1"]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert tree(folder) == reference


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root can write everywhere")
def test_a_read_only_folder_is_a_user_error(clean: Path, tmp_path: Path) -> None:
    folder = copy(clean, tmp_path)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert "Permission denied" in fail("corrupt", "--scenario", "D", "--data", folder, "--workers", 1)
    finally:
        folder.chmod(stat.S_IRWXU)


@pytest.mark.parametrize(("number", "words"), [(28, "No space left on device"), (30, "Read-only file system")])
def test_a_failing_disk_is_a_user_error_and_leaves_no_partial_file(
    clean: Path, reference: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    folder, fsync, calls = copy(clean, tmp_path), os.fsync, []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(number, words)
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", failing)
        message = fail("corrupt", *ALL_SHARDS, "--data", folder, "--workers", 1)
    assert words in message
    assert str(folder) in message
    assert not list(folder.rglob(".partial-*"))
    succeed("corrupt", *ALL_SHARDS, "--data", folder, "--workers", 1)
    assert tree(folder) == reference


def test_a_data_set_can_be_at_any_fsspec_url(clean: Path, reference: dict[str, bytes]) -> None:
    memory = fsspec.filesystem("memory")
    upload(clean, memory, "/distributed/data")
    succeed("corrupt", *ALL_SHARDS, "--data", "memory://distributed/data", "--workers", 1)
    assert download(memory, "/distributed/data") == reference
    assert "intact" in succeed("verify", "memory://distributed/data")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    """A local S3 server."""
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(port=0)
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    server.start()
    host, port = server.get_host_and_port()
    for key, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(key, value)
    fsspec.asyn.reset_lock()
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    system.mkdir("bucket")
    yield system
    server.stop()


def test_a_data_set_can_be_on_s3(clean: Path, reference: dict[str, bytes], s3: fsspec.AbstractFileSystem) -> None:
    upload(clean, s3, "bucket/data")
    command = [*AVBUILD, "corrupt", *ALL_SHARDS, "--data", "s3://bucket/data", "--workers", "2"]
    subprocess.run(command, check=True, capture_output=True)
    s3.invalidate_cache()
    assert download(s3, "bucket/data") == reference


def upload(folder: Path, system: fsspec.AbstractFileSystem, root: str) -> None:
    for name, data in tree(folder).items():
        system.pipe_file(f"{root}/{name}", data)


def download(system: fsspec.AbstractFileSystem, root: str) -> dict[str, bytes]:
    start = root.strip("/") + "/"
    return {path.lstrip("/").removeprefix(start): system.cat_file(path) for path in sorted(system.find(root))}
