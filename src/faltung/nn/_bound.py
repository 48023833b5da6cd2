"""The promise of a layer in numbers: the largest error that each output may have for given data.

    (1.1 min(n, 256) + ceil(n / 256) + 20) u S + t          before the activation
    t = 2^-123 Σ(|x| + |w| + 1)                             where float32 sums, which may flush subnormals
    c S                                                     matrix: c = 0, 2^-15 or 1.01 2^-7 by precision
    c X Σ|w|                                                spectral: c = 2^-44 by float64, 2^-14 by float32

S is Σ|x||w| + |b| + |residual| over the terms of an output, n their number. An activation multiplies the
error by its largest slope and adds 4 units in the last place; half types add half a unit at the store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._bound_terms import SPECTRAL_UNITS, absolute
from faltung._dtype import part
from faltung._precision import error_units

from . import _matrix
from ._activation import Activation
from ._integers import Data
from ._operands import by_output
from ._recipe import LayerRecipe, recipe
from ._ways import fastest_sums

Array: TypeAlias = NDArray[Any]

_FLUSHED = 2.0**-123
# Of half types: a share of the result that the store loses, at least so much, and from where it is infinite.
_STORES = {
    "float16": (2.0**-11, 2.0**-25, 65520.0),
    "bfloat16": (2.0**-8, 2.0**-134, float.fromhex("0x1.ffp127")),
}


def error_bound(how: LayerRecipe, data: Data, method: str, carried: Array | None = None) -> Array:
    """The bound for each output, in float64; infinite where nothing is promised.

    `carried` is how far `data.x` may be off: a result of another layer, of which another run may differ.
    """
    request = how.request
    if not how.size or request.exact:
        return np.zeros(how.out_shape)
    assert data.x is not None and data.w is not None
    double = request.double
    unit = 2.0**-53 if double else 2.0**-24
    n = how.terms + (data.b is not None) + (data.residual is not None)
    n *= 2 if request.complex else 1
    with np.errstate(all="ignore"):
        near = Data(*(None if a is None else absolute(a) for a in data))
        passed: Array | float = 0.0
        if carried is not None:
            assert near.x is not None
            passed = _sums(how, Data(carried, near.w)) * (1 + 2 * error_units(n) * 2.0**-53)
            near = near._replace(x=near.x + 2 * carried)
        sizes = np.maximum(_sums(how, near), 0) * (1 + 2 * error_units(n) * 2.0**-53)
        bound = error_units(n) * unit * sizes + n * 2.0**-1074 + passed
        if not double:
            bound = bound + _FLUSHED * _flushed(how, data)
        if method == "matrix":
            bound = bound + _matrix.looseness(request) * sizes
        if method == "spectral":
            bound = bound + _of_transforms(how, data, double or request.precision == "highest")
        end = float(np.finfo(np.float64 if double else np.float32).max)
        bound = np.where(sizes + bound < end, bound, np.inf)
        store = _STORES.get(part(request.dtype).name)
        if request.activation.rounds or store is not None:
            results = np.abs(_sums(how, Data(*(None if a is None else _wide(a) for a in data))))
            results = results + 2 * error_units(n) * 2.0**-53 * sizes + passed
            bound, largest = _activated(request.activation, bound, results, unit)
            if store is not None:
                share, least, most = store
                lost = share * (largest + bound) + least
                bound = np.where(largest + bound < most, bound + lost, np.inf)
        return np.where(np.isfinite(bound), bound, np.inf)


def _sums(how: LayerRecipe, data: Data) -> Array:
    """The layer on float64 or complex128, without its activation."""
    assert data.x is not None and data.w is not None
    request, has_bias = how.request, data.b is not None
    spec = request.spec
    if spec.bias != has_bias:
        spec = replace(spec, bias=has_bias)
    wide = recipe(
        replace(
            request, spec=spec, dtype=data.x.dtype, weight_dtype=data.w.dtype, activation=Activation(),
            method="auto", precision="highest",
        )
    )  # fmt: skip
    return wide.run(data, None, None, fastest_sums(wide))


def _flushed(how: LayerRecipe, data: Data) -> Array:
    """Σ(|x| + |w| + 1) over the terms of each output."""
    assert data.x is not None and data.w is not None
    of_x = _sums(how, Data(absolute(data.x), np.ones(data.w.shape)))
    return np.asarray(of_x + _of_weights(how, data.w) + how.terms + 2)


def _of_transforms(how: LayerRecipe, data: Data, double: bool) -> Array:
    """What transforms add: the largest finite sample of all stands for those near a window."""
    assert data.x is not None and data.w is not None
    x = absolute(data.x)
    largest = float(np.max(x, where=np.isfinite(x), initial=0.0))
    return SPECTRAL_UNITS[double] * largest * _of_weights(how, data.w)


def _of_weights(how: LayerRecipe, w: Array) -> Array:
    """Σ|w| of each output channel, to be broadcast to the result."""
    sums: Array = by_output(how.request, absolute(w)).sum(axis=1)
    last = how.request.layout == "channels_last"
    return sums if last else sums.reshape(-1, *(1,) * how.request.spec.rank)


def _activated(activation: Activation, bound: Array, results: Array, unit: float) -> tuple[Array, Array]:
    """The bound behind an activation, and the largest |y|."""
    largest = results * activation.slope
    if activation.name in ("sigmoid", "hardsigmoid"):
        largest = np.minimum(largest + 0.5, 1.0)
    if activation.name == "tanh":
        largest = np.minimum(largest, 1.0)
    if activation.name == "clip":
        largest = np.minimum(largest, max(abs(activation.lo), abs(activation.hi)))
    bound = bound * activation.slope
    if activation.rounds:
        bound = bound + 8 * unit * (largest + bound) + (2.0**-146 if unit == 2.0**-24 else 2.0**-1071)
    return bound, largest


def _wide(values: Array) -> Array:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
