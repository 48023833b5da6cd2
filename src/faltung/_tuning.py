"""Every tuned constant, with the machine, the date and the script that measured it.

Measured 2026-11-22 on one core of a Xeon with AVX-512 (2.6 GHz under vector load) by
`python -m benchmarks.arrays`. All optima are flat: a factor of two changes times by under 5 %.
"""

from __future__ import annotations

# A call shorter than this runs on one thread and keeps the GIL: waking a worker costs about 5 microseconds.
PARALLEL_SECONDS = 30e-6
RELEASE_SECONDS = 10e-6

# Multiply-adds a second of one thread by the direct method, by the bits of the type that computes; these only
# predict.
DIRECT_RATE = {32: 65e9, 64: 32e9, 0: 6e9}
REFERENCE_RATE = 40e6
# Bytes a second that one thread moves, and the fixed cost of a call.
COPY_RATE = 20e9
CALL_SECONDS = 2e-6

# Decisions that the cache of calls keeps at most.
CACHED_CALLS = 1024
