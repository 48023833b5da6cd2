"""Processes: calls amid forks, at exit, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import run_script

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

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
def test_multiprocessing_after_the_pool_has_run(plain_environment: dict[str, str], method: str) -> None:
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
    assert run_script(PARENT + code, plain_environment) == "right"


@forks
def test_fork_while_other_threads_are_in_calls(plain_environment: dict[str, str]) -> None:
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
    assert run_script(PARENT + code, plain_environment) == "right"


@forks
def test_fork_in_a_forked_child(plain_environment: dict[str, str]) -> None:
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
    assert run_script(PARENT + code, plain_environment) == "0"


def test_process_ends_cleanly_after_a_call_in_a_thread(plain_environment: dict[str, str]) -> None:
    code = """
assert right(4)
threading.Thread(target=lambda: print(right(2))).start()
"""
    assert run_script(PARENT + code, plain_environment) == "True"


@pytest.mark.parametrize("taps", [3, 31])
def test_process_ends_cleanly_amid_calls(plain_environment: dict[str, str], taps: int) -> None:
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
    assert run_script(PARENT + code, plain_environment) == "end"


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
import signal, sys, time
import numpy as np
import faltung as fl
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell had said
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
