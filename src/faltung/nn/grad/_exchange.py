"""The gradient of weights as a convolution: batch and channels exchanged, g as the kernel.

    dw[o, c, h] = sum over n, i of x[n, c, i S + h D - P] g[n, o, i]

is a layer again: x's channels are its batch, the batch its channels, the positions of g its taps; stride and
dilation change places. Every data type and every boundary of layers, by their own methods.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

from faltung._errors import FaltungOverflowError
from faltung.nn._conv import conv
from faltung.nn._request import LayerRequest

from ._arguments import first, first_weights

Array: TypeAlias = NDArray[Any]


def exchanged(request: LayerRequest, x: Array, g: Array, dw: Array, method: str, workers: int | None) -> None:
    """Writes the gradient of a layer's weights into `dw`, for conjugated samples."""
    spec = request.spec
    samples, given = first(x, request.layout, request.batched), first(g, request.layout, request.batched)
    weights = first_weights(dw, request.layout)
    if spec.flip:
        flipped: tuple[Any, ...] = (..., *(slice(None, None, -1),) * spec.rank)
        weights = weights[flipped]
    inside, outside = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    if not request.batch:
        dw[...] = 0
        return
    padding, cut = _fitted(request)
    taps: tuple[Any, ...] = (..., *(slice(0, n) for n in spec.kernel_size))
    for group in range(spec.groups):
        images = samples[:, group * inside : (group + 1) * inside].swapaxes(0, 1)[cut]
        kernels = given[:, group * outside : (group + 1) * outside].swapaxes(0, 1)
        try:
            found = conv(
                images,
                kernels,
                stride=spec.dilation,
                dilation=spec.stride,
                padding=padding,
                boundary=request.boundary,
                method=method,
                precision=request.precision,
                workers=workers,
            )
        except FaltungOverflowError:
            raise FaltungOverflowError(
                f"a sum of the gradient does not fit {request.out_dtype}; convert the arrays, as in "
                "`.astype(np.int64)` or `.astype(np.float64)`."
            ) from None
        weights[group * outside : (group + 1) * outside] = found[taps].swapaxes(0, 1)


def _fitted(request: LayerRequest) -> tuple[tuple[tuple[int, int], ...], tuple[slice, ...]]:
    """Padding of the exchanged layer, and the part of the samples that it sees.

    Samples behind the last window would make more taps; outside a constant boundary they are cut off.
    """
    spec = request.spec
    padding, cut = [], [slice(None), slice(None)]
    for i, word in enumerate(request.boundary):
        (lo, hi), n = spec.padding[i], spec.input_size[i]
        seen = (
            (spec.output_size[i] - 1) * spec.stride[i] + (spec.kernel_size[i] - 1) * spec.dilation[i] + 1 - lo
        )
        plain = word == "constant" and seen > 0
        padding.append((lo, max(seen - n, 0) if plain else hi))
        cut.append(slice(0, min(n, seen)) if plain else slice(None))
    return tuple(padding), tuple(cut)
