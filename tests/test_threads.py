"""Threads: how many run, the same results for any number of them, and many callers at once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import faltung as fl
from conftest import peer
from grids import BFLOAT16, draw
from scripts import SECONDS, run_script

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux' /proc and CPU affinity")


@pytest.fixture(autouse=True)
def _restored_setting() -> Iterator[None]:
    before = fl.get_num_threads()
    yield
    fl.set_num_threads(before)


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


def test_environment_sets_the_number(plain_environment: dict[str, str]) -> None:
    code = """
import faltung as fl
print(fl.get_num_threads())
fl.set_num_threads(2)
print(fl.get_num_threads())
"""
    assert run_script(code, plain_environment, FALTUNG_NUM_THREADS="5").split() == ["5", "2"]


@pytest.mark.parametrize("bad", ["0", "-2", "two", "1.5", "4097", " "])
def test_environment_refuses_nonsense(plain_environment: dict[str, str], bad: str) -> None:
    code = """
import faltung as fl
try:
    fl.get_num_threads()
except ValueError as error:
    print(error)
"""
    message = run_script(code, plain_environment, FALTUNG_NUM_THREADS=bad)
    assert message.startswith(f"`FALTUNG_NUM_THREADS` (={bad}) must be an integer from 1 to 4096; unset it")


@linux
def test_affinity_is_honoured(plain_environment: dict[str, str]) -> None:
    code = """
import os
import faltung as fl
cpus = os.sched_getaffinity(0)
assert fl.get_num_threads() <= len(cpus)
os.sched_setaffinity(0, {min(cpus)})
print(fl.get_num_threads())
"""
    assert run_script(code, plain_environment) == "1"


COUNT = """
import os
import numpy as np
count = lambda: len(os.listdir("/proc/self/task"))
before = count()
import faltung as fl
a, k = np.ones((600, 700), np.float32), np.ones((5, 5), np.float32)
"""


@linux
def test_no_thread_is_started_before_it_is_needed(plain_environment: dict[str, str]) -> None:
    code = """
fl.convolve(a, k, workers=1)
fl.convolve(a[:2, :2], k, workers=4)
assert count() == before, (before, count())
fl.convolve(a, k, workers=3)
print(count() - before)
"""
    assert run_script(COUNT + code, plain_environment) == "2"


@linux
def test_affinity_starts_no_thread(plain_environment: dict[str, str]) -> None:
    code = (
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); fl.convolve(a, k); print(count() - before)"
    )
    assert run_script(COUNT + code, plain_environment) == "0"


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
            future.result(timeout=SECONDS)


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
