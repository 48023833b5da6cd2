"""Runs the gradient of weights: by the core where it can, else as the exchanged convolution."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._operands import checked_out
from faltung.nn._request import LayerRequest

from ._arguments import conjugate
from ._exchange import exchanged

Array: TypeAlias = NDArray[Any]


def weight_gradient(
    request: LayerRequest, x: Array, g: Array, out: Any, method: str, workers: int | None
) -> Array:
    """The sums of conj(x) g, in `out` where it is given; an error leaves that as it was."""
    target = None if out is None else checked_out(out, request.weight_shape, request.out_dtype)
    result = np.empty(request.weight_shape, request.out_dtype)
    exchanged(request, conjugate(x), g, result, "reference" if method == "reference" else "auto", workers)
    if target is None:
        return result
    target[...] = result
    return target
