"""Threads: how many run, same results for any number, and calls amid forks, Ctrl-C and other threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from conftest import peer
from grids import BFLOAT16, draw

SCRIPT_SECONDS = 60
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux' /proc and CPU affinity")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(autouse=True)
def _restored_setting() -> Iterator[None]:
    before = fl.get_num_threads()
    yield
    fl.set_num_threads(before)


@pytest.fixture
def script(tmp_path: Path, plain_environment: dict[str, str]) -> Any:
    """Run a program in a process of its own; a hang or an error fails the test. Returns what it printed."""

    def run(code: str, **environment: str) -> str:
        path = tmp_path / "script.py"
        path.write_text(code)
        # NumPy's BLAS has threads of its own, and Python warns of every fork beside threads.
        variables = plain_environment | {"OPENBLAS_NUM_THREADS": "1"} | environment
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", path],
            capture_output=True,
            text=True,
            env=variables,
            timeout=SCRIPT_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


# ---- the setting


def test_set_and_get() -> None:
    for n in (1, 3, 2):
        fl.set_num_threads(n)
        assert fl.get_num_threads() == n


@pytest.mark.parametrize("n", [0, -1, 4097])
def test_set_refuses_numbers_out_of_range(n: int) -> None:
    with pytest.raises(
        ValueError, match=rf"^`n` \(={n}\) must be an integer from 1 to 4096; \d+ uses every CPU"
    ):
        fl.set_num_threads(n)


@pytest.mark.parametrize("n", ["2", 1.5, None])
def test_set_refuses_other_types(n: Any) -> None:
    with pytest.raises(TypeError):
        fl.set_num_threads(n)


def test_environment_sets_the_number(script: Any) -> None:
    code = """
import faltung as fl
print(fl.get_num_threads())
fl.set_num_threads(2)
print(fl.get_num_threads())
"""
    assert script(code, FALTUNG_NUM_THREADS="5").split() == ["5", "2"]


@pytest.mark.parametrize("bad", ["0", "-2", "two", "1.5", "4097", " "])
def test_environment_refuses_nonsense(script: Any, bad: str) -> None:
    code = """
import faltung as fl
try:
    fl.get_num_threads()
except ValueError as error:
    print(error)
"""
    message = script(code, FALTUNG_NUM_THREADS=bad)
    assert message.startswith(f"`FALTUNG_NUM_THREADS` (={bad}) must be an integer from 1 to 4096; unset it")


@linux
def test_affinity_is_honoured(script: Any) -> None:
    code = """
import os
import faltung as fl
cpus = os.sched_getaffinity(0)
assert fl.get_num_threads() <= len(cpus)
os.sched_setaffinity(0, {min(cpus)})
print(fl.get_num_threads())
"""
    assert script(code) == "1"


COUNT = """
import os
import numpy as np
count = lambda: len(os.listdir("/proc/self/task"))
before = count()
import faltung as fl
a, k = np.ones((600, 700), np.float32), np.ones((5, 5), np.float32)
"""


@linux
def test_no_thread_is_started_before_it_is_needed(script: Any) -> None:
    code = """
fl.convolve(a, k, workers=1)
fl.convolve(a[:2, :2], k, workers=4)
assert count() == before, (before, count())
fl.convolve(a, k, workers=3)
print(count() - before)
"""
    assert script(COUNT + code) == "2"


@linux
def test_affinity_starts_no_thread(script: Any) -> None:
    code = (
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); fl.convolve(a, k); print(count() - before)"
    )
    assert script(COUNT + code) == "0"


# ---- the same bits for any number of workers

BITS = [
    ((600, 700), (5, 5), {}),
    ((601, 703), (7, 4), {"mode": "same", "boundary": "reflect"}),
    ((200_003,), (129,), {}),
    ((2_000,), (1_500,), {"mode": "same"}),
    ((40, 50, 60), (3, 3, 3), {"mode": "valid"}),
    ((300, 64, 64), (5, 5), {"mode": "same", "axes": (1, 2)}),
    ((301, 305), (5, 5), {"stride": 2, "dilation": 3, "mode": "same"}),
    ((300, 400, 3), (3, 3), {"mode": "same", "axes": (0, 1)}),
]


@pytest.mark.parametrize(
    "dtype", ["uint8", "int32", "int64", "float16", BFLOAT16, "float32", "float64", "complex64"]
)
@pytest.mark.parametrize(("shape", "taps", "options"), BITS, ids=str)
def test_same_bits_for_any_number_of_workers(
    shape: tuple[int, ...], taps: tuple[int, ...], options: dict[str, Any], dtype: Any
) -> None:
    rng = np.random.default_rng(3)
    a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
    options = options | {"overflow": "wrap"}
    alone = fl.convolve(a, k, workers=1, **options)
    for workers in (2, 3, 5, 8):
        assert fl.convolve(a, k, workers=workers, **options).tobytes() == alone.tobytes(), (
            f"{workers} workers"
        )


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
def test_reference_has_the_same_bits_too(dtype: str) -> None:
    rng = np.random.default_rng(4)
    a, k = draw(rng, (60, 70), dtype), draw(rng, (5, 5), dtype)
    alone = fl.convolve(a, k, method="reference", workers=1)
    for workers in (2, 3, 5, 8):
        assert np.array_equal(fl.convolve(a, k, method="reference", workers=workers), alone)


def test_the_setting_has_the_same_bits_as_workers() -> None:
    a, k = draw(np.random.default_rng(5), (500, 600), "float32"), np.ones((3, 3), np.float32)
    alone = fl.convolve(a, k, workers=1)
    for n in (1, 2, 5):
        fl.set_num_threads(n)
        assert np.array_equal(fl.convolve(a, k), alone)


def test_flush_to_zero_of_the_caller_changes_nothing() -> None:
    torch = peer("torch")
    subnormal = np.arange(40_000, dtype=np.float32).reshape(200, 200) * np.float32(1e-45)
    cases = [
        (subnormal, np.array([[1, 0.5], [0.25, 1]], np.float32)),
        (np.ones((200, 200), np.float32), np.full((3, 3), 1e-40, np.float32)),
        (subnormal.astype(np.float64) * 1e-270, np.array([[1, 0.5], [0.25, 1]])),
    ]

    def results() -> list[bytes]:
        return [fl.convolve(a, k, workers=workers).tobytes() for a, k in cases for workers in (1, 3)]

    want = results()
    torch.set_flush_denormal(True)
    try:
        flushed = results()
    finally:
        torch.set_flush_denormal(False)
    assert flushed == want


# ---- many Python threads


def test_many_threads_at_once() -> None:
    rng = np.random.default_rng(6)
    jobs = [
        (draw(rng, (50 + 30 * i, 200), dtype), draw(rng, (3, 1 + i), dtype))
        for i in range(6)
        for dtype in ("float32", "int32", "float64")
    ]
    plan = fl.plan_convolve((200, 300), draw(rng, (5, 5), "float32"), dtype="float32")
    x = draw(rng, (200, 300), "float32")
    want = [fl.convolve(a, k, workers=1) for a, k in jobs]
    planned = plan(x)

    def work(seed: int) -> None:
        for i in np.random.default_rng(seed).permutation(len(jobs)).tolist() * 3:
            a, k = jobs[i]
            assert np.array_equal(fl.convolve(a, k, workers=1 + seed % 4), want[i])
            assert np.array_equal(plan(x), planned)  # one plan, many threads

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(work, seed) for seed in range(8)]:
            future.result(timeout=SCRIPT_SECONDS)


def test_a_call_lets_other_threads_run() -> None:
    a, k = np.ones((1500, 1500)), np.ones((61, 61))
    ticks: list[float] = []
    done = threading.Event()

    def call() -> None:
        fl.convolve(a, k, workers=1)
        done.set()

    thread = threading.Thread(target=call)
    thread.start()
    while not done.is_set():
        ticks.append(time.perf_counter())
        time.sleep(0.001)
    thread.join()
    assert len(ticks) > 5, "the interpreter stood still during a long call"


# ---- processes

PARENT = """
import multiprocessing, os, sys, threading, time
import numpy as np
import faltung as fl

a = np.arange(300_000, dtype=np.float64).reshape(500, 600)
k = np.arange(25.0).reshape(5, 5)
want = fl.convolve(a, k, workers=1)

def right(workers):
    return np.array_equal(fl.convolve(a, k, workers=workers), want)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_after_the_pool_has_run(script: Any, method: str) -> None:
    if method != "spawn" and not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    code = f"""
if __name__ == "__main__":
    assert right(3)
    with multiprocessing.get_context({method!r}).Pool(3) as pool:
        assert pool.map_async(right, [1, 2, 3, 4] * 3).get(50) == [True] * 12
    assert right(3)
    print("right")
"""
    assert script(PARENT + code) == "right"


@forks
def test_fork_while_other_threads_are_in_calls(script: Any) -> None:
    code = """
end = False
def work():
    while not end:
        assert right(2)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
children = []
for i in range(24):
    child = os.fork()
    if child == 0:
        import signal
        signal.alarm(30)
        os._exit(0 if right(1) and right(3) else 1)
    children.append(child)
    time.sleep(0.001 * i)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
end = True
for thread in threads:
    thread.join()
assert codes == [0] * 24, codes
print("right")
"""
    assert script(PARENT + code) == "right"


@forks
def test_fork_in_a_forked_child(script: Any) -> None:
    code = """
def down(levels):
    assert right(3)
    child = os.fork()
    if child == 0:
        os._exit(down(levels - 1) if levels else 0 if right(2) else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if right(2) else 1
print(down(2))
"""
    assert script(PARENT + code) == "0"


def test_process_ends_cleanly_after_a_call_in_a_thread(script: Any) -> None:
    code = """
assert right(4)
threading.Thread(target=lambda: print(right(2))).start()
"""
    assert script(PARENT + code) == "True"


@pytest.mark.parametrize("taps", [3, 31])
def test_process_ends_cleanly_amid_calls(script: Any, taps: int) -> None:
    # An interpreter that shuts down takes the lock away from these threads, wherever they are in a call.
    code = f"""
def work():
    while True:
        fl.convolve(a, np.ones(({taps}, {taps})), workers=2)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
print("end")
"""
    assert script(PARENT + code) == "end"


# ---- Ctrl-C

LONG = {
    "image": ("(3000, 3000)", "(301, 301)", "direct"),
    "signal": ("3_000_000", "300_001", "direct"),
    "integers": ("(3000, 3000)", "(301, 301)", "direct"),
    "reference": ("(1500, 1500)", "(201, 201)", "reference"),
}


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("case", LONG)
def test_interrupt_ends_a_long_call(
    tmp_path: Path, plain_environment: dict[str, str], case: str, workers: int
) -> None:
    shape, taps, method = LONG[case]
    code = f"""
import sys, time
import numpy as np
import faltung as fl
dtype = {"np.int64" if case == "integers" else "np.float64"}
a, k = np.ones({shape}, dtype), np.ones({taps}, dtype)
print("ready", flush=True)
try:
    fl.convolve(a, k, "same", method={method!r}, workers={workers}, overflow="wrap")
    print("finished")
except KeyboardInterrupt:
    b, c = np.arange(90_000.0).reshape(300, 300), np.ones((3, 3))
    print("interrupted", np.array_equal(fl.convolve(b, c, workers=2), fl.convolve(b, c, workers=1)))
"""
    path = tmp_path / "long.py"
    path.write_text(code)
    process = subprocess.Popen(
        [sys.executable, path], stdout=subprocess.PIPE, text=True, env=plain_environment
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.7)
        begin = time.perf_counter()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        seconds = time.perf_counter() - begin
    finally:
        process.kill()
        process.wait()
    assert output == "interrupted True\n"
    assert seconds < 1
