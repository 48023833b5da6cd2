"""The grids of layers under every other instruction set that this machine has."""

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
    "test_nn_conv.py": "test_the_grid or test_tiles or test_a_method_takes",
    "test_nn_promise.py": "test_hostile_data or 100000_terms or special_weights or drift",
    "test_nn_dtypes.py": "test_integers_are_exact or long_sums or beside_which or test_zero_points",
}


@pytest.mark.parametrize("file", CORE)
@pytest.mark.parametrize("isa", OTHERS)
def test_the_grids_of_layers_under_another_instruction_set(isa, file, plain_environment):
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
