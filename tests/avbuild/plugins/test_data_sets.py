"""Data sets with a plug-in's corruption: the same bytes anywhere, and clear words where it is absent or changed."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avbuild.plugins.files import VARIABLE, module_name
from avbuild.plugins.registry import plugins_loaded
from avbuild.plugins.shipping import plugin_files, run_with_plugins
from avbuild.scenarios.manifest_file import load_manifest
from tests.conftest import REPOSITORY
from tests.support.commands import fail, rows, succeed, tree
from tests.support.plugin_files import DROPOUTS, write_manifest, write_plugin

DEMO = """
manifest: 1
name: demo
dataset: ../demo/demo-av
split: {protocol: default}
seed: 0
scenarios:
  C: {}
  A: {audio: {any_of: [gaussian_noise, time_shift, time_mask], severity: 5}}
  V: {image: {any_of: [gaussian_noise, box_blur, pixelate], severity: 5}}
  D:
    audio: {any_of: [gaussian_noise, time_shift, time_mask], severity: 5}
    image: {any_of: [gaussian_noise, box_blur, pixelate], severity: 5}
"""
GOLDEN = {  # first digits of the scenario hashes of version 0.1
    "C": "35d2eda161e3432b",
    "A": "a7338a1cf63b176e",
    "V": "c6e149117bb14df6",
    "D": "afce7dca61176421",
}
CHANGED = DROPOUTS.replace("< rate", "<= rate")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def data(small_data: Path, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with the scenario S of the plug-in, in all splits; do not change it."""
    folder = tmp_path_factory.mktemp("data") / small_data.name
    shutil.copytree(small_data, folder)
    corrupt(folder, plugin, 1)
    return folder


def corrupt(folder: Path, plugin: Path, workers: int, *more: object) -> str:
    manifest = write_manifest(folder.parent, folder)
    splits = ("--splits", "train,validation,test", "--workers", workers, "--plugin", plugin)
    return succeed("corrupt", "--scenario", "S", "--manifest", manifest, "--data", folder, *splits, *more)


def copy(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target / folder.name))


def test_two_workers_write_the_bytes_of_one(small_data: Path, data: Path, plugin: Path, tmp_path: Path) -> None:
    folder = copy(small_data, tmp_path)
    corrupt(folder, plugin, 2)
    assert tree(folder) == tree(data)


def test_ray_tasks_write_the_same_bytes(small_data: Path, data: Path, plugin: Path, tmp_path: Path) -> None:
    """The only test that starts Ray, which takes long: its tasks get the plug-in and write what one process does."""
    pytest.importorskip("ray")
    folder = copy(small_data, tmp_path)
    corrupt(folder, plugin, 2, "--engine", "ray")
    assert tree(folder) == tree(data)


def test_a_process_without_the_file_gets_it_with_the_job(plugin: Path, tmp_path: Path) -> None:
    with plugins_loaded([plugin]):
        files = plugin_files()
    shipped = tmp_path / "shipped"
    shipped.write_bytes(pickle.dumps((files, run_with_plugins, pickle.dumps("audio"))))
    code = (
        "import pickle, sys; from avbuild.corruptions.registry import corruptions_of\n"
        "files, run, job = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(run(files, corruptions_of, job)['dropouts'].plugin.digest)"
    )
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code, shipped],
        capture_output=True,
        text=True,
        env=environment,
        cwd=REPOSITORY,
        check=True,
    )
    assert module_name(plugin, plugin.read_bytes()).endswith(done.stdout.strip()[:16])


def test_the_plugin_is_named_in_the_build_the_card_and_each_sample(data: Path) -> None:
    build = json.loads((data / "build.json").read_text())
    (record,) = build["scenarios"]["S"]["plugins"]
    assert (record["name"], record["origin"], record["modality"]) == ("dropouts", "my_ops.py", "audio")
    assert "plugins" not in build
    assert "plugins" not in build["scenarios"]["D"]
    assert "my_ops.py" in (data / "README.md").read_text()
    assert "plug-in: corruption dropouts of my_ops.py" in succeed("inspect", data)
    for row in rows(data, "S"):
        (op,) = json.loads(row["corruption"])["audio"]
        assert op["plugin"] == record["digest"][:16]


def test_hashes_depend_on_the_source_and_not_on_the_path(data: Path, plugin: Path, tmp_path: Path) -> None:
    hashes = []
    for folder, code in (("one", DROPOUTS), ("other", DROPOUTS), ("changed", CHANGED)):
        with plugins_loaded([write_plugin(tmp_path / folder, code)]):
            hashes.append(load_manifest(data / "manifest.yaml").scenario_hash("S"))
    assert hashes[0] == hashes[1] != hashes[2]
    assert load_manifest(data / "manifest.yaml").scenario_hash("S") == hashes[0]  # as build.json records it


def test_hashes_of_shipped_corruptions_are_as_before_plugins(plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(DEMO)
    with plugins_loaded([plugin]):
        manifest = load_manifest(tmp_path / "demo.yaml")
    assert {name: manifest.scenario_hash(name)[:16] for name in manifest.scenarios} == GOLDEN


def test_without_the_plugin_only_what_needs_it_fails(data: Path, plugin: Path, tmp_path: Path) -> None:
    folder = copy(data, tmp_path)
    assert "every hash matches" in succeed("verify", folder)
    succeed("corrupt", "--scenario", "A", "--data", folder, "--workers", 1)
    succeed("card", folder)
    assert "every hash matches" in succeed("verify", folder, "--plugin", plugin)
    sample = rows(folder, "S")[0]["id"]
    for command in (
        ("corrupt", "--scenario", "S", "--data", folder, "--workers", 1),
        ("replay", "--id", sample, "--scenario", "S", "--data", folder),
        ("preview", folder, "--scenario", "S", "--out", tmp_path / "page.html"),
    ):
        message = fail(*command)
        assert "corruption dropouts comes from a plug-in that is not loaded here: my_ops.py" in message
        assert "--plugin my_ops.py" in message
        succeed(*command, "--plugin", plugin)


def test_a_manifest_on_other_data_names_no_plugin_but_the_option(small_data: Path, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, small_data)
    manifest.write_text(manifest.read_text().replace("dropouts]", "quite_unknown]"))
    message = fail("corrupt", "--scenario", "S", "--manifest", manifest, "--data", small_data)
    assert 'no corruption "quite_unknown"; for that of a plug-in give --plugin FILE.py' in message


def test_a_changed_source_is_said_so(data: Path, tmp_path: Path) -> None:
    changed = write_plugin(tmp_path, CHANGED)
    for command in (("verify", data), ("replay", "--id", rows(data, "S")[0]["id"], "--scenario", "S", "--data", data)):
        message = fail(*command, "--plugin", changed)
        assert "corruption dropouts was that of my_ops.py (source " in message
        assert "the source of the plug-in changed" in message
    folder = copy(data, tmp_path / "again")
    corrupt(folder, changed, 1)  # made again, all is well
    assert "every hash matches" in succeed("verify", folder, "--plugin", changed)


def test_a_source_that_changes_while_a_command_runs_writes_nothing(data: Path, plugin: Path, tmp_path: Path) -> None:
    from avbuild.dataset.build_record import read_build
    from avbuild.dataset.storage import Folder
    from avbuild.errors import UserError
    from avbuild.pipeline.corrupt import corrupt_jobs
    from avbuild.pipeline.jobs import write_corrupted

    folder = Folder(str(copy(data, tmp_path)))
    with plugins_loaded([plugin]):
        job = corrupt_jobs(folder, read_build(folder), load_manifest(folder.path("manifest.yaml")), "S", "test")[0]
    before = tree(tmp_path)
    with plugins_loaded([write_plugin(tmp_path / "changed", CHANGED)]), pytest.raises(UserError, match="while this"):
        write_corrupted(job)
    shutil.rmtree(tmp_path / "changed")
    assert tree(tmp_path) == before
