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


class Work(NamedTuple):
    """What is to be tiled: outputs of stride 1 and reach an axis; lines of the batch, of them side by side.

    `item` is the size of a real number in a transform, `lanes` of them fill a vector; real data go in pairs.
    """

    outputs: Shape
    reach: Shape
    batch: int
    channels: int
    item: int
    pairs: bool
    lanes: int


class Blocks(NamedTuple):
    """A tiling: points of a block and of all transforms, seconds, bytes a thread and of a spectrum.

    `folded`: a block along one axis is a matrix that fills the lanes; else, along one axis, a lane holds it.
    """

    block: Shape
    folded: bool
    points: int  # of all transforms
    seconds: float
    spectrum_seconds: float
    scratch: int
    spectrum: int


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def choose_blocks(work: Work, most: int) -> Blocks | None:
    """The cheapest tiling; None where no block fits in `most` bytes."""
    best = None
    for block in _candidates(work.outputs, work.reach, work.lanes):
        for folded in (False, True)[: 3 - min(len(block), 2)]:
            found = tiling(work, block, folded)
            if found.scratch <= most and (best is None or found.seconds < best.seconds):
                best = found
    return best


def tiling(work: Work, block: Shape, folded: bool) -> Blocks:
    """The cost of tiling by blocks of one size."""
    points = prod(block)
    blocks = prod(ceil(n / (b - r + 1)) for n, b, r in zip(work.outputs, block, work.reach, strict=True))
    halves = 2 if work.pairs else 1
    in_lanes = len(block) == 1 and not folded
    kind = "lanes" if in_lanes else "folded" if folded else "block" if len(block) == 2 else "solid"
    constant, doubling, far = _tuning.SPECTRAL_POINT[work.item][kind]
    if in_lanes:
        slots = halves * work.lanes
        if work.channels >= work.lanes:
            groups = blocks * (work.batch // work.channels) * ceil(work.channels / slots)
            constant *= _tuning.SPECTRAL_CHANNELS
        else:
            groups = ceil(blocks * work.batch / slots)
        total, width, strip = groups * work.lanes * points, work.lanes, 0
    else:
        total, width = ceil(blocks * work.batch / halves) * points, 1
        strip = 2 * round(sqrt(points)) if folded else points // block[-1]
    scratch = 2 * work.item * (points * width + 2 * work.lanes * strip)
    each = constant + doubling * log2(points) + (far if scratch > _tuning.SPECTRAL_CACHE else 0)
    return Blocks(
        block, folded, total, total * each + _tuning.SPECTRAL_SECONDS, points * width * each / 2, scratch,
        2 * work.item * points,
    )  # fmt: skip


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
