"""The predicted time of a layer by each method: a function of the request and of measured constants.

    operations / (ceiling share)  +  bytes moved, by layout  +  a constant a call and a channel

The share of the ceiling falls where vectors are not full: of output channels (gemm), of channels (depthwise,
channels_last), of positions in a row (grouped).
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from faltung import _core, _tuning

from . import _matrix

if TYPE_CHECKING:
    from ._recipe import LayerRecipe

LANES = {"amx": 64, "avx512": 64, "avx2": 32, "baseline": 16}  # bytes of a vector


def seconds(how: LayerRecipe, method: str, compute: str) -> float:
    """Of one thread, with prepared weights."""
    if method == "matrix":
        return _matrix.seconds(how)
    item = 8 if compute == "f64" else 4
    spec = how.request.spec
    last = how.request.layout == "channels_last"
    lanes = LANES[_core.isa()] // item
    samples = prod(how.request.in_shape) * item * (2 if how.request.complex else 1)
    results = how.size * item * (2 if how.request.complex else 1)
    channels = spec.out_channels // spec.groups * (2 if how.request.complex else 1)
    share, call = _tuning.LAYER_SHARE[method], _tuning.CALL_SECONDS
    row = spec.output_size[-1]
    pointwise = prod(spec.kernel_size) == 1 and set(spec.stride) == {1}
    if method == "gemm":
        on_planes = not last and not pointwise and _on_planes(how, channels, lanes)
        share *= _full(row, lanes) if on_planes else _full(channels, lanes)
        if not last and not on_planes and channels <= lanes:
            share *= _tuning.LAYER_GEMM_NARROW
        if spec.groups > 1:
            share *= channels / (channels + _tuning.LAYER_GEMM_GROUPS)
        layout = "last" if last else "pointwise" if pointwise or on_planes else "first"
        turned, read = _tuning.LAYER_GEMM_BYTE[layout]
        moved = results * turned + samples * read
        if on_planes:
            moved += _gathering(how, lanes, item)
        moved += max(samples + results - _tuning.LAYER_NEAR, 0) * _tuning.LAYER_FAR_BYTE
        call += _tuning.LAYER_GEMM_SECONDS
    elif method == "grouped" and (in_lanes := _share_in_lanes(how, item)):
        share = in_lanes
        moved = (samples + results) * _tuning.LAYER_LANES_BYTE["last" if last else "first"]
    elif method == "grouped":
        share *= channels / (channels + _tuning.LAYER_GROUPED_REUSE) * _full(row, lanes)
        share *= _tuning.LAYER_GROUPED_POINTWISE if pointwise else 1
        alone = spec.groups == spec.in_channels or spec.stride[-1] > 1
        byte = _tuning.LAYER_GROUPED_BYTE["last" if last else "alone" if alone else "first"]
        moved = (samples + results) * byte
        if spec.groups == 1:
            moved += max(samples + results - _tuning.LAYER_NEAR, 0) * _tuning.LAYER_FAR_BYTE
        call += how.request.batch * spec.in_channels * _tuning.LAYER_PLANE_SECONDS
    else:
        multiplier = spec.out_channels // spec.in_channels
        share *= _full(spec.out_channels, lanes) if last and method == "depthwise" else 1 / multiplier
        near, short = _tuning.LAYER_DEPTHWISE_BYTE
        byte = near + short * (1 if last else min(1.0, _tuning.LAYER_SHORT_ROW / row))
        if method == "planes":
            byte += _tuning.LAYER_PLANES_TURN if last else 0
            call += how.request.batch * spec.out_channels * _tuning.LAYER_PLANE_SECONDS
        if method == "depthwise":
            share /= _inside(how)
        moved = (samples + results) * byte
    return call + 2 * how.products / (ceiling(compute) * share) + moved


def pair_seconds(first: LayerRecipe, second: LayerRecipe, depthwise: float, pointwise: float) -> float:
    """Of one pass over two layers that take so long alone: what lies between them stays near."""
    between = first.size * first.request.dtype.itemsize
    saved = _tuning.CALL_SECONDS / 2 + between * _tuning.PAIR_BYTE[first.request.layout]
    return max(depthwise + pointwise - saved, pointwise)


def ceiling(compute: str) -> float:
    """Operations a second of multiply-adds on one thread, in the type that computes."""
    return _tuning.LAYER_CEILING[8 if compute == "f64" else 4] * LANES[_core.isa()] / LANES["avx512"]


def traffic(how: LayerRecipe) -> int:
    """Bytes of the input, the weights and the result: what a run moves at least."""
    r = how.request
    return (
        prod(r.in_shape) * r.dtype.itemsize
        + prod(r.weight_shape) * r.weight_dtype.itemsize
        + how.size * r.out_dtype.itemsize
    )


def _share_in_lanes(how: LayerRecipe, item: int) -> float:
    """The share of the ceiling that groups with channels in lanes reach, 0 where they do not run so."""
    r = how.request
    spec, lanes = r.spec, LANES[_core.isa()] // item
    inputs, outputs = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    own = r.dtype == r.out_dtype and r.dtype.kind == "f" and r.dtype.itemsize == item
    if spec.groups == 1 or spec.rank > 2 or not own:
        return 0.0
    row = spec.output_size[-1]
    if outputs % lanes == 0:
        alone = spec.kernel_size[-1] == 1 or spec.dilation[-1] > 1 or spec.stride[-1] > 2
        kind = "apart" if alone else "strided" if spec.stride[-1] == 2 else "spread"
        return _tuning.LAYER_LANES_SHARE[kind] * _full(row, _tuning.LAYER_LANES_TILE)
    folds = inputs == outputs and inputs in (2, 4, 8) and inputs < lanes <= spec.out_channels
    return _tuning.LAYER_LANES_SHARE["folded"] if folds else 0.0


def _inside(how: LayerRecipe) -> float:
    """The share of a depthwise layer's products that are made: those of taps that meet samples.

    Rows of taps outside are left out; along rows, about half of them are.
    """
    r = how.request
    taps = prod(r.spec.kernel_size)
    if not _tuning.LAYER_SKIPPED_TAPS[0] <= taps <= _tuning.LAYER_SKIPPED_TAPS[1]:
        return 1.0
    share = 1.0
    for axis in range(max(0, r.spec.rank - 2), r.spec.rank):
        if r.boundary[axis] != "constant" or r.spec.transposed:
            continue
        out, size, stride = r.spec.output_size[axis], r.spec.input_size[axis], r.spec.stride[axis]
        count, dilation, pad = r.spec.kernel_size[axis], r.spec.dilation[axis], r.spec.padding[axis][0]
        met = 0
        for tap in range(count):
            shift = tap * dilation - pad  # outputs o with 0 <= o stride + shift < size
            met += max(0, min(out, -(-(size - shift) // stride)) - max(0, -(shift // stride)))
        part = met / (count * out)
        share *= (1 + part) / 2 if axis + 1 == r.spec.rank else part
    return max(share, 1 / taps)


def _gathering(how: LayerRecipe, lanes: int, item: int) -> float:
    """Of what taps read, brought together tile by tile."""
    spec = how.request.spec
    taps, channels = prod(spec.kernel_size), spec.in_channels // spec.groups
    byte, piece = _tuning.LAYER_GATHER
    positions = how.request.batch * spec.groups * prod(spec.output_size)
    return positions * taps * (channels * item * byte + piece / (3 * lanes))


def _on_planes(how: LayerRecipe, channels: int, lanes: int) -> bool:
    """Whether the dense method computes few terms on planes as they lie: core/ops/dense_planes.cpp."""
    spec = how.request.spec
    row = spec.output_size[-1]
    return (
        prod(spec.kernel_size) * (spec.in_channels // spec.groups) <= 256
        and channels >= (32 if spec.stride[-1] == 1 else 256)
        and row >= 2 * lanes
        and _full(row, lanes) > 1 / 1.07
    )


def _full(n: int, lanes: int) -> float:
    """The share of vectors that n numbers fill."""
    return n / (-(-n // lanes) * lanes)
