"""Runs the gradient of weights: by the core where it can, else as the exchanged convolution."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung import _core, _tuning
from faltung._calls import forgetting
from faltung._describe import check_word
from faltung._dtype import CODES, part
from faltung._errors import FaltungValueError
from faltung._operands import checked_out
from faltung._recipe import contiguous, raw, steps_whole, touches
from faltung._request import BOUNDARIES
from faltung.nn._cost import ceiling
from faltung.nn._request import LayerRequest

from ._arguments import conjugate
from ._exchange import exchanged

Array: TypeAlias = NDArray[Any]
Strides: TypeAlias = tuple[int, ...]
CoreGradient: TypeAlias = _core.WeightGradient

METHOD_CODES = {"depthwise": 1, "gemm": 0}  # the first that takes a layer is the fastest
METHODS = ("auto", *METHOD_CODES, "reference")


calls = _core.WeightGradientCache(np.ndarray, np.empty, _tuning.CACHED_CALLS)


def weight_gradient(
    request: LayerRequest,
    x: Array,
    g: Array,
    out: Any,
    method: str,
    workers: int | None,
    known: tuple[Any, ...] | None = None,
) -> Array:
    """The sums of conj(x) g, in `out` where it is given; an error leaves that as it was.

    `known` are the raw options under which `calls` shall find such a call again.
    """
    check_word("method", method, METHODS)
    target = None if out is None else checked_out(out, request.weight_shape, request.out_dtype)
    chosen = _chosen(request, method)
    direct = target is not None and steps_whole(target) and not touches(target, x, g)
    result = target if direct and chosen else np.empty(request.weight_shape, request.out_dtype)
    assert result is not None
    if chosen:
        core = _planned(request, x.strides, g.strides, result.strides, chosen)
        threads = _threads(request, workers)
        core.run(raw(x), raw(g), raw(result), *threads)
        if known is not None and (target is None or result is out):
            calls.add(x, g, out, known, core, request.weight_shape, request.out_dtype, *threads)
    else:
        exchanged(request, conjugate(x), g, result, "reference" if method == "reference" else "auto", workers)
    if target is None or result is target:
        return result
    target[...] = result
    return target


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def _chosen(request: LayerRequest, method: str) -> str:
    """The method of the core that runs this; empty for the exchanged convolution.

    It depends on the request alone, as every bit of the result.
    """
    if method == "reference":
        return ""
    refusals = []
    for candidate in METHOD_CODES if method == "auto" else (method,):
        try:
            _usual(request, candidate)
        except ValueError as error:
            refusals.append(str(error))
        else:
            return candidate
    if method == "auto":
        return ""
    raise FaltungValueError(
        f"`method` (={method!r}) cannot compute this gradient: {refusals[0]}; use 'auto' or 'reference'."
    )


def _usual(request: LayerRequest, method: str) -> CoreGradient:
    shapes = ((request.in_shape, request.dtype), (request.out_shape, request.out_dtype),
              (request.weight_shape, request.out_dtype))  # fmt: skip
    return _planned(request, *(contiguous(shape, dtype.itemsize) for shape, dtype in shapes), method)


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def _planned(
    request: LayerRequest, strides: Strides, given: Strides, result: Strides, method: str
) -> CoreGradient:
    """The gradient in the core for these strides in bytes.

    Raises
    ------
    ValueError
        The method cannot run this; the message says why.
    """
    spec = request.spec
    first = request.layout == "channels_first"
    x_item, x_channel, x_along = _steps(request, strides)
    g_item, g_channel, g_along = _steps(request, given)
    w_out, w_in, *_ = result if first else result[:-3:-1]
    w_taps = result[2:] if first else result[:-2]
    sign = -1 if spec.flip else 1
    axes = [
        (spec.input_size[i], spec.output_size[i], spec.kernel_size[i], spec.stride[i], spec.dilation[i],
         spec.padding[i][0], BOUNDARIES.index(request.boundary[i]), x_along[i], sign * w_taps[i], g_along[i])
        for i in range(spec.rank)
    ]  # fmt: skip
    offset = sum(step * (n - 1) for step, n in zip(w_taps, spec.kernel_size, strict=True))
    return _core.WeightGradient(
        (request.batch, spec.groups, spec.in_channels, spec.out_channels), axes,
        (x_item, x_channel, w_out, w_in, g_item, g_channel), CODES[part(request.dtype).name], request.complex,
        request.double, offset if spec.flip else 0, METHOD_CODES[method],
    )  # fmt: skip


def _steps(request: LayerRequest, strides: Strides) -> tuple[int, int, Strides]:
    """Bytes from one item, channel and position to the next."""
    item, inner = (strides[0], strides[1:]) if request.batched else (0, strides)
    if request.layout == "channels_first":
        return item, inner[0], inner[1:]
    return item, inner[-1], inner[:-1]


def _threads(request: LayerRequest, workers: int | None) -> tuple[int, bool]:
    """Threads (0: the setting) and whether to release the GIL: short calls do neither."""
    spec = request.spec
    products = (
        request.batch * prod(spec.output_size) * prod(spec.weight_shape) * (4 if request.complex else 1)
    )
    seconds = 2 * products / ceiling("f64" if request.double else "f32")
    many = workers is not None or seconds > _tuning.PARALLEL_SECONDS
    return (workers or 0) if many else 1, seconds > _tuning.RELEASE_SECONDS or (workers or 1) > 1


def _forget() -> None:
    calls.clear()
    _planned.cache_clear()
    _chosen.cache_clear()


forgetting.append(_forget)
