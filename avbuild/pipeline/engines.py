"""Run a function on jobs: in this process, in several processes, or on Ray. The results are the same."""

import logging
import os
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from avbuild.errors import UsageError
from avbuild.pipeline.workers import run_in_processes
from avbuild.plugins.distributions import installed_packages
from avbuild.plugins.shipping import plugin_files, run_with_plugins

PLUGIN_GROUPS = ("avbuild.corruptions", "avbuild.sources")  # of those that jobs use
Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Engine:
    """The place where jobs run."""

    name: Literal["local", "ray"] = "local"
    workers: int = 1
    address: str | None = None  # of a Ray cluster; None: start Ray on this machine


@dataclass(frozen=True, slots=True)
class JobShare:
    """The share of one of several machines that build a data set together: every `count`-th job from `index` on."""

    index: int
    count: int

    def of(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Return the jobs of this share."""
        return jobs[self.index :: self.count]


def parse_job_share(text: str) -> JobShare:
    """Parse `i/n` with i from 0 to n - 1, as batch schedulers number the tasks of an array.

    Args:
        text: such as 0/4.

    Raises UsageError for anything else.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or int(match[1]) >= int(match[2]):
        raise UsageError(f"--job-share {text}: write i/n with i from 0 to n - 1, such as 0/4")
    return JobShare(int(match[1]), int(match[2]))


def default_workers() -> int:
    """Return the number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def run(function: Callable[[Job], Result], jobs: Sequence[Job], engine: Engine) -> Iterator[tuple[Job, Result]]:
    """Yield each job with its result as soon as it is finished, in any order.

    The first failure cancels the jobs that have not started, and is raised.

    Args:
        function: importable by name, since workers are new processes.
        jobs: picklable arguments of the function.
        engine: where to run.
    """
    if engine.name == "ray":
        yield from _run_on_ray(function, jobs, engine)
    elif engine.workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, function(job)
    else:
        yield from run_in_processes(function, jobs, engine.workers)


def _run_on_ray(function: Callable[[Job], Result], jobs: Sequence[Job], engine: Engine) -> Iterator[tuple[Job, Result]]:
    """Run one Ray task per job; workers of a cluster get the code of this installation, whatever is installed there.

    That includes plug-in files, and packages with plug-ins.
    """
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs Ray: pip install 'avbuild[ray]'") from None
    import avbuild

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's advice for tasks without an accelerator
    if engine.address is None:
        ray.init(num_cpus=engine.workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    else:
        modules = [avbuild, *(str(folder) for group in PLUGIN_GROUPS for folder in installed_packages(group))]
        ray.init(engine.address, runtime_env={"py_modules": modules}, log_to_driver=False, logging_level=logging.ERROR)
    try:
        task, plugins = ray.remote(run_with_plugins), plugin_files()
        running = {task.remote(plugins, function, pickle.dumps(job)): job for job in jobs}
        while running:
            done, _ = ray.wait(list(running), num_returns=1)
            try:
                yield running.pop(done[0]), ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
    finally:
        ray.shutdown()
