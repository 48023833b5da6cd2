"""The same grids under every other instruction set that this machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faltung import _core

HERE = Path(__file__).parent
FORCED = "FALTUNG_ISA" in os.environ  # such a run is one of several that cover them all
OTHERS = [] if FORCED else [isa for isa in _core.available_isas() if isa != _core.isa()]
CORE = {
    "test_convolve_direct.py": "test_the_grid or test_every_number_of_taps or test_every_small_height",
    "test_promise.py": "test_hostile_data or test_a_spike_elsewhere or subnormals",
    "test_convolve_overflow.py": "full_range or wider_than_128 or one_overflow",
}


@pytest.mark.parametrize("file", CORE)
@pytest.mark.parametrize("isa", OTHERS)
def test_the_core_grids_under_another_instruction_set(isa, file, plain_environment):
    # conftest fails a run that asks for one instruction set and gets another.
    tests = [str(HERE / file), "-k", CORE[file]]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        env={**plain_environment, "FALTUNG_ISA": isa},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
