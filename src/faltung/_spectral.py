"""Blocks of the spectral method: which sizes, at what cost; when a rounded result is exact.

A block of N points along an axis gives N - R + 1 outputs, R the reach of the kernel. Larger blocks waste less
and cost more a point (log N), and soon more than a cache holds; the cost decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import ceil, log2, prod, sqrt
from typing import NamedTuple

from . import _tuning

Shape = tuple[int, ...]


class Blocks(NamedTuple):
    """A tiling: points of a block an axis, transforms, predicted seconds, bytes a thread, a spectrum's."""

    block: Shape
    transforms: int
    seconds: float
    spectrum_seconds: float
    scratch: int
    spectrum: int


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def choose_blocks(
    outputs: Shape, reach: Shape, batch: int, item: int, packs: bool, lanes: int, limit: int
) -> Blocks | None:
    """The cheapest tiling of `outputs` (of stride 1, one an axis); None where no block fits in `limit` bytes.

    `item` is the size of a real number of the transform; real data go in pairs (`packs`), `lanes` at once.
    """
    best = None
    for block in _candidates(outputs, reach, lanes):
        found = tiling(block, outputs, reach, batch, item, packs, lanes)
        if found.scratch <= limit and (best is None or found.seconds < best.seconds):
            best = found
    return best


def side_by_side(block: Shape, item: int, lanes: int) -> bool:
    """Whether blocks lie side by side, each whole in one lane; else a block fills all lanes."""
    return len(block) == 1 and 2 * item * lanes * block[0] <= _tuning.LANES_BYTES


def tiling(
    block: Shape, outputs: Shape, reach: Shape, batch: int, item: int, packs: bool, lanes: int
) -> Blocks:
    """The cost of tiling by blocks of one size."""
    points = prod(block)
    blocks = batch * prod(ceil(n / (b - r + 1)) for n, b, r in zip(outputs, block, reach, strict=True))
    transforms = ceil(blocks / 2) if packs else blocks
    rate = _tuning.SPECTRAL_POINT[item]
    together = side_by_side(block, item, lanes)
    width = lanes if together else 1
    scratch = 2 * item * points * width
    if not together:  # a strip of the leading axes beside the block, and its lines
        strip = points // block[-1] if len(block) > 1 else 2 * round(sqrt(points))
        scratch += 4 * item * lanes * strip
    if together:
        transforms = ceil(transforms / lanes) * lanes
        each = rate["lanes"] + rate["lanes_log"] * log2(points)
    else:
        each = rate["block"] + rate["block_log"] * log2(points)
        if scratch > _tuning.SPECTRAL_CACHE:
            each += rate["far"]
    seconds = transforms * points * each + _tuning.SPECTRAL_SECONDS
    kernel = points * width * each / 2
    return Blocks(block, transforms, seconds, kernel, scratch, 2 * item * points)


def _candidates(outputs: Shape, reach: Shape, lanes: int) -> Iterator[Shape]:
    if len(outputs) == 1:
        yield from ((n,) for n in _sizes(reach[0], outputs[0], 1, 40))
        return
    few = {2: 12, 3: 6}.get(len(outputs), 4)
    axes = [_sizes(r, n, lanes, few) for r, n in zip(reach, outputs, strict=True)]
    yield from product(*axes)


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def _sizes(reach: int, outputs: int, multiple: int, few: int) -> Sequence[int]:
    """Up to `few` sizes of a block along one axis: from twice the reach or so to what covers all outputs."""
    whole = next(n for n in _smooth() if n >= outputs + reach - 1 and n % multiple == 0)
    least = min(whole, max(reach + reach // 4, 16))
    sizes = [n for n in _smooth() if least <= n <= whole and n % multiple == 0]
    if len(sizes) > few:  # as many, evenly spread over the logarithms, the largest among them
        steps = [sizes[round(i * (len(sizes) - 1) / (few - 1))] for i in range(few)]
        sizes = sorted(set(steps))
    return sizes


@lru_cache(maxsize=1)
def _smooth() -> Sequence[int]:
    """Products of a power of 2 with 1, 3, 5, 9 and 15: what the core transforms fast."""
    sizes = {m << e for m in (1, 3, 5, 9, 15) for e in range(28)}
    return sorted(sizes)


def rounds_to_exact(block: Shape, largest: float, sum_abs: float, norm: float) -> bool:
    r"""Whether integers come out exact when the float64 result of a block is rounded.

    By Higham's bound every transform errs by at most :math:`7 u \log_2 N` of the 2-norm; with samples of at
    most X in a block of N points and taps w, the result by less than
    :math:`7\sqrt{2}\,u\,(3 + \log_2 N)\,X\,(2\sqrt{N}\,\|w\|_1 + N \|w\|_2)`, which must stay below 1/4.
    """
    points = float(prod(block))
    error = 7 * sqrt(2) * 2.0**-53 * (3 + log2(points)) * largest
    return error * (2 * sqrt(points) * sum_abs + points * norm) < 0.25 and largest * sum_abs < 2.0**52
