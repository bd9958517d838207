"""Worker processes: they end with their parent, leave Ctrl-C to it, and are missed where something ends them."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from avbuild.errors import Stopped, UserError

Job = TypeVar("Job")
Result = TypeVar("Result")

CHECK_EVERY = 0.5  # seconds


def run_in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[tuple[Job, Result]]:
    """Yield jobs with their results as they come.  The first failure cancels the jobs that have not started.

    Raises UserError where a worker was ended from outside, as the kernel does for lack of memory.
    """
    # spawn, not fork: Arrow and BLAS run threads, which a fork would leave in an undefined state
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, initializer=_begin_worker, initargs=(os.getpid(),)
    )
    try:
        futures = {pool.submit(function, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
    except BrokenProcessPool:
        raise UserError(
            "a worker process was ended from outside, most likely for lack of memory. What is finished stays: run the "
            f"same command again, with fewer --workers than {workers}"
        ) from None
    except (Stopped, KeyboardInterrupt, GeneratorExit):
        for child in multiprocessing.active_children():  # not to wait for the jobs they are at
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the parent ends its workers
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process soon after its parent has ended, by whatever means: nobody waits for its work."""
    while os.getppid() == parent:
        time.sleep(CHECK_EVERY)
    os._exit(1)
