"""FALTUNG_ISA: each level can be forced, says so and keeps the promise; wrong names explain themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import faltung._core

AVAILABLE = faltung._core.available_isas()
KNOWN = ["baseline", "avx2", "avx512", "amx"]
TESTS = Path(__file__).resolve().parent

CHECKED = """
import itertools
import numpy as np
from checks import check
from grids import draw
import faltung as fl, faltung._core

rng = np.random.default_rng(7)
dtypes = "uint8 int64 float16 float32 float64 complex64".split()
for dtype, boundary in itertools.product(dtypes, ("constant", "wrap")):
    a, k = draw(rng, (9, 70), dtype), draw(rng, (3, 5), dtype)
    check("convolve", a, k, "same", boundary=boundary)
    check("correlate", a, k, "valid", stride=2)
print(faltung._core.isa())
for dtype in ("uint8", "int64", "float32", "complex128"):
    print(fl.plan_convolve((90, 70), draw(rng, (3, 5), dtype), dtype=dtype).explain())
print(fl.nn.plan_conv((1, 64, 40, 40), draw(rng, (64, 64, 3, 3), "float32"), dtype="float32").explain())
"""


def run(isa: str, code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(TESTS), environment.get("PYTHONPATH", "")])
    environment = environment | {"FALTUNG_ISA": isa, "PYTHONPATH": paths}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
    )


@pytest.mark.parametrize("level", AVAILABLE)
def test_each_level_runs_and_is_right(level: str, plain_environment: dict[str, str]) -> None:
    done = run(level, CHECKED, plain_environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == level
    kernels = re.findall(r"^ *microkernel +(\w+)$", done.stdout, re.MULTILINE)
    *arrays, layer = kernels
    vectors = "avx512" if level == "amx" else level  # a matrix unit joins for products of matrices only
    assert len(arrays) == 4 and all(kernel.endswith(f"_{vectors}") for kernel in arrays)
    assert layer.endswith(f"_{level}")


@pytest.mark.parametrize("name", ["sse9", "AVX2", "avx2 ", "512"])
def test_unknown_name(name: str, plain_environment: dict[str, str]) -> None:
    done = run(name, "import faltung as fl; fl.convolve([1.0, 2.0], [1.0])", plain_environment)
    assert done.returncode == 1
    assert (
        f"ValueError: `FALTUNG_ISA` (={name}) is not an instruction set known here; use baseline"
        in done.stderr
    )
    assert f"or unset it for {AVAILABLE[-1]}" in done.stderr


@pytest.mark.parametrize("level", [isa for isa in KNOWN if isa not in AVAILABLE] or [None])
def test_level_that_does_not_run_here(level: str | None, plain_environment: dict[str, str]) -> None:
    if level is None:
        pytest.skip("every level runs here")
    done = run(level, "import faltung as fl; fl.convolve([1.0, 2.0], [1.0])", plain_environment)
    assert done.returncode == 1
    assert f"`FALTUNG_ISA` (={level}) " in done.stderr
    assert (
        "is not supported by this machine" in done.stderr or "was not built into this library" in done.stderr
    )


def test_empty_means_unset(plain_environment: dict[str, str]) -> None:
    done = run("", "import faltung._core; print(faltung._core.isa())", plain_environment)
    assert done.stdout.strip() == AVAILABLE[-1], done.stderr


def test_levels_have_their_features() -> None:
    features = set(faltung._core.cpu_features())
    assert sorted(AVAILABLE, key=KNOWN.index) == AVAILABLE
    assert AVAILABLE[0] == "baseline"
    if "avx2" in AVAILABLE:
        assert {"avx2", "fma", "f16c"} <= features
    if "avx512" in AVAILABLE:
        assert {"avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512cd"} <= features
