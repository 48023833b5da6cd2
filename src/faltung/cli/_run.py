"""Run a filter over samples of any size: in blocks along the first filtered axis, rounded block by block.

A block is convolved with the neighbours that its windows need, by the same call as the whole would be, and
what the cut borders spoil is dropped:

    samples   .......[ halo | rows of this block | halo ].......
    result               [ kept                ]

So memory stays small, progress is real, and the values are those of one call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung.cli._kernel import KernelSpec
from faltung.cli._messages import InputError
from faltung.cli._samples import Margins, Samples, result_limits, to_limits

TOO_WIDE = (
    "the sums may need more than 64 bits, which --abs, --offset and edges cannot have; add --dtype float64"
)
BLOCK_VALUES = 4_000_000
"""Results a block: 32 MB in float64."""
BLOCK_WORK = 2_000_000_000
"""Multiplications a block: well under a second on one core."""


@dataclass(frozen=True)
class Options:
    """How to filter, by the names of the options of ``faltung filter``."""

    mode: str = "same"
    boundary: str = "reflect"
    correlate: bool = False
    absolute: bool = False
    offset: float = 0.0
    workers: int | None = None
    memory_limit: int | None = None


@dataclass(frozen=True)
class Result:
    """The filtered samples, and how many of them were cut below and above."""

    values: NDArray[Any]
    margins: Margins
    cut_below: int
    cut_above: int


@dataclass(frozen=True)
class Block:
    """Rows `start` to `stop` of the result: from the rows `source` of the samples, after `first` others."""

    start: int
    stop: int
    source: slice | NDArray[np.intp]
    first: int


def margins(shape: tuple[int, ...], mode: str) -> Margins:
    """Return how much a kernel of `shape` makes every axis grow before and after.

    >>> margins((3, 4), "full"), margins((3, 4), "valid")
    (((1, 1), (1, 2)), ((-1, -1), (-2, -1)))
    """
    if mode == "same":
        return tuple((0, 0) for _ in shape)
    if mode == "full":
        return tuple(((taps - 1) // 2, taps // 2) for taps in shape)
    return tuple((-(taps // 2), -((taps - 1) // 2)) for taps in shape)


def blocks(size: int, taps: int, options: Options, row_values: int, kernel_taps: int) -> list[Block]:
    """Divide an axis of `size` rows, `taps` of which a window spans, into blocks of bounded work."""
    before = {"full": taps - 1, "same": taps // 2, "valid": 0}[options.mode]
    total = size + {"full": taps - 1, "same": 0, "valid": 1 - taps}[options.mode]
    rows = min(BLOCK_VALUES // max(1, row_values), BLOCK_WORK // max(1, row_values * kernel_taps))
    rows = max(rows, 4 * taps, 1)
    if total <= rows:
        return [Block(0, total, slice(None), 0)]
    found = []
    for start in range(0, total, rows):
        stop = min(total, start + rows)
        low, high = start - before, stop - before + taps - 1
        if options.boundary == "wrap" and (low < 0 or high > size):
            found.append(Block(start, stop, np.arange(low, high) % size, before))
            continue
        # at a true border the boundary looks up to `taps` rows inwards
        low, high = max(0, min(low, size - taps)), min(size, max(high, taps))
        found.append(Block(start, stop, slice(low, high), start - low))
    return found


def filter_samples(
    samples: Samples, spec: KernelSpec, options: Options, progress: Callable[[list[Block]], Iterator[Block]]
) -> Result:
    """Filter `samples` with the kernel of `spec`; `progress` hands the blocks through one by one."""
    axis = samples.axes[0]
    shape, changes = result_shape(samples, spec, options)
    row_values = math.prod(shape) // shape[axis]
    taps = math.prod(spec.shape) * len(spec.kernels)
    result: NDArray[Any] | None = None
    below = above = 0
    todo = blocks(samples.values.shape[axis], spec.shape[0], options, row_values, taps)
    for block in progress(todo):
        kept = _along(axis, slice(block.first, block.first + block.stop - block.start))
        part, few, many = _filtered(samples.values[_along(axis, block.source)], samples, spec, options, kept)
        below, above = below + few, above + many
        if len(todo) == 1:
            result = part
            break
        if result is None:
            result = np.empty(shape, part.dtype)
        result[_along(axis, slice(block.start, block.stop))] = part
    assert result is not None
    return Result(result, changes, below, above)


def result_shape(samples: Samples, spec: KernelSpec, options: Options) -> tuple[tuple[int, ...], Margins]:
    """Return the shape of the result and how much every axis grew."""
    changes = margins(spec.shape, options.mode)
    shape = list(samples.values.shape)
    for position, (lo, hi) in zip(samples.axes, changes, strict=True):
        shape[position] += lo + hi
        if shape[position] < 1:
            raise InputError(
                f"`--mode` (='valid') leaves nothing: the kernel spans {_size(spec.shape)}, the data "
                f"{_size(samples.values.shape[a] for a in samples.axes)}; use --mode same"
            )
    return tuple(shape), changes


def _size(sizes: Iterable[int]) -> str:
    return " x ".join(map(str, sizes))


def _along(axis: int, index: slice | NDArray[np.intp]) -> tuple[Any, ...]:
    return (slice(None),) * axis + (index,)


def convolved(
    part: NDArray[Any],
    samples: Samples,
    kernel: Any,
    options: Options,
    dtype: Any,
    overflow: str = "raise",
    **more: Any,
) -> NDArray[Any]:
    """Return the response to one kernel, by the library's convolution or correlation."""
    operation = fl.correlate if options.correlate else fl.convolve
    result = operation(
        part,
        kernel,
        options.mode,
        boundary=options.boundary,
        axes=samples.axes,
        dtype=dtype,
        overflow=overflow,
        workers=options.workers,
        **more,
    )
    return np.asarray(result)


def _filtered(
    part: NDArray[Any], samples: Samples, spec: KernelSpec, options: Options, kept: tuple[Any, ...]
) -> tuple[NDArray[Any], int, int]:
    """Return the `kept` part of the result of one block, and how many values were cut below and above."""
    dtype = work_dtype(part, spec)
    if needs_64_bits(dtype, part.dtype, samples, spec):
        return _filtered_64(part, samples, spec, options, kept)
    responses = [convolved(part, samples, kernel, options, dtype)[kept] for kernel in spec.taps]
    return finished(responses, part.dtype, samples, spec, options)


def finished(
    responses: Sequence[NDArray[Any]],
    source: np.dtype[Any],
    samples: Samples,
    spec: KernelSpec,
    options: Options,
) -> tuple[NDArray[Any], int, int]:
    """Return what becomes of the responses to samples of type `source`, and how many values were cut."""
    target, limits = samples.dtype, samples.limits
    response = responses[0]
    if spec.is_magnitude:
        squares = sum(np.square(np.abs(one).astype(np.float64)) for one in responses)
        response = np.asarray(np.sqrt(squares))
        response = response.astype(source) if source.kind == "f" else response
    if options.absolute:
        response = np.abs(response if response.dtype.kind != "i" else response.astype(np.int64))
    if options.offset:
        whole = response.dtype.kind == "i" and float(options.offset).is_integer()
        response = response.astype(np.int64) + int(options.offset) if whole else response + options.offset
    if target is None:
        return response, 0, 0
    if response.dtype.kind == "c" and target.kind != "c":
        raise InputError(
            f"the result is complex, which {target} cannot hold; add --abs, or --dtype complex128"
        )
    if limits is not None:
        return to_limits(response, limits, target)
    with np.errstate(over="ignore"):
        return response.astype(target, copy=False), 0, 0


def _filtered_64(
    part: NDArray[Any], samples: Samples, spec: KernelSpec, options: Options, kept: tuple[Any, ...]
) -> tuple[NDArray[Any], int, int]:
    """Filter 64-bit integers whose sums may need more: cut exactly, counted by what wraps instead."""
    if options.absolute or options.offset or spec.is_magnitude:
        raise InputError(TOO_WIDE)
    cut, wrapped = (
        convolved(part, samples, spec.taps[0], options, samples.dtype, overflow)[kept]
        for overflow in ("saturate", "wrap")
    )
    differs = cut != wrapped
    below = int(np.count_nonzero(differs & (cut == np.iinfo(cut.dtype).min)))
    return cut, below, int(np.count_nonzero(differs)) - below


def needs_64_bits(
    dtype: np.dtype[Any] | None, source: np.dtype[Any], samples: Samples, spec: KernelSpec
) -> bool:
    """Whether whole sums may need more than the integers of 64 bits that they end in."""
    unlimited = dtype is not None and dtype.kind == "f" and spec.is_whole
    return unlimited and samples.limits == result_limits(source)


def work_dtype(values: NDArray[Any], spec: KernelSpec) -> np.dtype[Any] | None:
    """Return the data type to compute in, one that holds the unrounded result; None: the library's choice.

    For integers with whole taps it is an integer that holds every sum, and float64 where none does.

    >>> work_dtype(np.array([255], np.uint8), KernelSpec("", ([-1, 2, -1],)))
    dtype('int32')
    >>> work_dtype(np.array([255], np.uint8), KernelSpec("", ([0.25, 0.5, 0.25],)))
    dtype('float64')
    """
    if values.dtype.kind not in "iu":
        return None
    if not spec.is_whole:
        return np.dtype(np.float64)
    gain = max(int(np.abs(np.asarray(kernel)).sum()) for kernel in spec.kernels)
    largest = gain * max(abs(int(values.min())), abs(int(values.max())))
    return np.dtype(np.int32 if largest < 2**31 else np.int64 if largest < 2**63 else np.float64)
