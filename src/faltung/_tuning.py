"""Every tuned constant, with the machine, the date and the script that measured it.

Measured 2026-11-22 on one core of a Xeon with AVX-512 (2.6 GHz under vector load) by
`python -m benchmarks.calibrate` (costs) and `python -m benchmarks.arrays` (all else). Optima are flat.
"""

from __future__ import annotations

# A call shorter than this runs on one thread and keeps the GIL: waking a worker costs about 5 microseconds.
PARALLEL_SECONDS = 30e-6
RELEASE_SECONDS = 10e-6

# Direct: seconds of one thread an output and a tap of it, four times as much where both operands are complex,
# by the bytes of the type that computes and the number of axes.
DIRECT = {
    4: {0: (2.0e-10, 1.24e-11), 1: (2.0e-10, 1.24e-11), 2: (2.9e-10, 1.19e-11), 3: (9.8e-10, 1.7e-11)},
    8: {0: (3.7e-10, 2.35e-11), 1: (3.7e-10, 2.35e-11), 2: (4.4e-10, 2.55e-11), 3: (1.4e-9, 3.8e-11)},
}
REFERENCE_RATE = 40e6
# Bytes a second that one thread moves, and the fixed cost of a call.
COPY_RATE = 20e9
CALL_SECONDS = 1e-6

# Decisions that the cache of calls keeps at most.
CACHED_CALLS = 1024

# Auto looks beyond the direct method where that is predicted to take longer than the first, and at the taps
# where longer than the second; a kernel is split where that could win more than the third.
SHORT_SECONDS = 8e-6
CHOICE_SECONDS = 12e-6
SPLIT_SECONDS = 10e-6
# Factors and spectra of kernels up to this size are kept for calls; those of plans always.
KEPT_KERNEL_BYTES = 4096

# Working memory of one thread: what any method may use, and what direct and separable do use at most.
LEAST_SCRATCH = 5 << 19
DIRECT_BYTES = 3 << 19
SEPARABLE_BYTES = 3 << 19

# Separable, seconds of one thread an output: for every pass and for every tap of it; by the bytes of the type
# that computes.
SEPARABLE_SECONDS = 3e-6
SEPARABLE_TAP = {4: (3.3e-10, 1.2e-11), 8: (3.9e-10, 2.64e-11)}

# Spectral, seconds of one thread a point of a complex block (forward, multiply, inverse): a constant, a part
# for each doubling, and more where the working memory outgrows the cache; by the bytes of a real number in a
# transform, for blocks in lanes, lines folded to a matrix, and blocks along two and more axes.
SPECTRAL_CACHE = 3 << 19
SPECTRAL_SECONDS = 3e-6
SPECTRAL_CHANNELS = 1.4  # times the constant, where lanes are channels
SPECTRAL_CONVERT = 2.4e-9  # more for every integer that is read or written
SPECTRAL_POINT = {
    4: {
        "lanes": (1.71e-9, 0.0, 4.0e-10),
        "folded": (1.31e-9, 1.0e-10, 1.3e-9),
        "block": (2.7e-9, 0.0, 5.9e-10),
        "solid": (4.6e-9, 0.0, 2.7e-10),
    },
    8: {
        "lanes": (3.3e-9, 0.0, 7.4e-10),
        "folded": (1.45e-9, 3.2e-10, 2.3e-9),
        "block": (3.67e-9, 1.3e-10, 1.23e-9),
        "solid": (8.5e-9, 0.0, 2.1e-9),
    },
}

# Layers (`python -m benchmarks.layers_picks`): operations a second of multiply-adds on one thread with
# 64-byte vectors, by the bytes of a number; the share of it that each method reaches with full vectors;
# seconds a byte of results and of samples, by layout, and more beyond what is near; the outputs of a group
# at which half of a share is reached, and what is left of it for 1x1; seconds a call and a plane.
LAYER_CEILING = {4: 2.16e11, 8: 1.08e11}
LAYER_SHARE = {"gemm": 0.92, "depthwise": 0.9, "grouped": 0.85, "planes": 0.85}
LAYER_GEMM_BYTE = {"first": (8.5e-11, 2e-11), "pointwise": (1.5e-11, 1.5e-11), "last": (3e-11, 3e-11)}
LAYER_GEMM_SECONDS = 1.5e-6
LAYER_GEMM_GROUPS = 8
# Few-term layers on planes as they lie: seconds a byte that taps bring together, a tap and tile of positions.
LAYER_GATHER = (3e-11, 3e-8)
LAYER_GEMM_NARROW = 0.8  # of the share, where one vector holds all channels and the output is turned
LAYER_GROUPED_BYTE = {"first": 2e-11, "alone": 5e-11, "last": 1e-10}
LAYER_GROUPED_REUSE = 2.5
LAYER_GROUPED_POINTWISE = 0.65
# Groups with channels in lanes: the share where sums are folded, where inputs are spread, by the stride along
# rows, and where no taps share a load; columns of a tile; seconds a byte, by layout.
LAYER_LANES_SHARE = {"folded": 0.75, "spread": 0.95, "strided": 0.85, "apart": 0.65}
LAYER_LANES_TILE = 7
LAYER_LANES_BYTE = {"first": 5e-11, "last": 3e-11}
LAYER_DEPTHWISE_BYTE = (4e-11, 2.8e-11)  # and more where rows are short
LAYER_SHORT_ROW = 28
LAYER_SKIPPED_TAPS = (25, 4096)  # of kernels whose taps outside are left out, and counted in a prediction
LAYER_PLANES_TURN = 4.5e-10
LAYER_SPECTRAL = 1.3  # times what the blocks of arrays would take
LAYER_SPECTRAL_TURN = 9e-10
LAYER_PLANE_SECONDS = 1.5e-7
LAYER_NEAR = 4 << 20
# The matrix unit: useful operations a second by the number of products, seconds a call, a sample and a
# result, bytes of prepared weights that stay near, and seconds a byte beyond.
LAYER_MATRIX_RATE = {6: 4.5e11, 3: 8.5e11, 1: 1.7e12}
LAYER_MATRIX_SECONDS = 2e-6
LAYER_MATRIX_NUMBER = (3.5e-10, 3e-10)
LAYER_MATRIX_NEAR = 1 << 20
LAYER_MATRIX_FAR_BYTE = 1.5e-11
LAYER_FAR_BYTE = 6e-11
# One pass over a depthwise and a 1x1 layer saves so many seconds a byte between them, by layout.
PAIR_BYTE = {"channels_first": 6e-11, "channels_last": 1e-11}

# Missing data: outputs of a block between whose convolutions all stays in cache, of a strip of work on it;
# the weight below which spectral outputs are made again term by term, in boxes of so many.
MISSING_BLOCK = 1 << 18
MISSING_STRIP = 1 << 14
THIN_WEIGHT = 2.0**-8
THIN_BOX = 2048

# Block by block: seconds of a box where somebody waits for progress, how often rows may read a sample before
# other boxes are tried, bytes a second at which pages of mapped files come and go, bytes searched at once.
BLOCK_SECONDS = 0.1
FEW_REREADS = 1.1
MAP_RATE = 12e9
LOOK_BYTES = 1 << 20
