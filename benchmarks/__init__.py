"""Benchmarks of faltung beside its peers: ``python -m benchmarks.arrays``.

Importing this package before NumPy lifts settings that would handicap a peer (a BLAS forced to an old core, a
capped instruction set, a fixed number of threads): libraries read them once, when they load.
"""

from __future__ import annotations

import os
import sys

HANDICAPS = (
    "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS", "NPY_DISABLE_CPU_FEATURES", "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "OPENCV_CPU_DISABLE", "OPENCV_FOR_THREADS_NUM",
)  # fmt: skip

found: dict[str, str] = {name: os.environ[name] for name in HANDICAPS if name in os.environ}
"""The settings that were found, with their values; the report names them."""

lifted: bool = "numpy" not in sys.modules
"""False when NumPy had been loaded, so that removing them would have come too late and they were left."""

if lifted:
    for _name in found:
        del os.environ[_name]
