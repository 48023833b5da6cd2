"""From a request to numbers: a recipe derives all that does not depend on the data, and runs.

It runs through layers of the core, which are bound to types and strides and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung import _core, _tuning
from faltung._dtype import CODES, part
from faltung._errors import FaltungValueError
from faltung._geometry import meeting_taps
from faltung._integers import Exact
from faltung._recipe import contiguous, raw, steps_whole, touches
from faltung._request import BOUNDARIES

from . import _matrix, _ways
from ._integers import Data, choose_exact, overflow_error
from ._request import LayerRequest
from ._transforms import NOT_SPECTRAL, Told
from ._ways import Way

Array: TypeAlias = NDArray[Any]
Strides: TypeAlias = tuple[int, ...]
CoreLayer: TypeAlias = _core.Layer
CorePair: TypeAlias = _core.LayerPair
PackedWeights: TypeAlias = _core.PackedWeights
Packer: TypeAlias = Callable[[CoreLayer], PackedWeights]

_COMPUTE = {"f32": 0, "f64": 1, "u64": 2, "wide": 3}
_STORE = {"cast": 0, "fits": 1, "raise": 2, "saturate": 3, "wrap": 4}
METHOD_CODES = {
    "reference": 0,
    "gemm": 1,
    "depthwise": 2,
    "grouped": 3,
    "planes": 4,
    "spectral": 5,
    "matrix": 6,
}


class Bound(NamedTuple):
    """What repeats a call on arrays of the same shapes, strides and types."""

    layer: CoreLayer
    threads: int
    release: bool


class LayerRecipe:
    """Everything about a request that does not depend on the data, and how to run it."""

    def __init__(self, request: LayerRequest) -> None:
        self.request = request
        self.out_shape = request.out_shape
        self.out_dtype = request.out_dtype
        self.size = prod(self.out_shape)
        spec = request.spec
        taps = spec.kernel_size
        if spec.transposed:
            taps = tuple(map(meeting_taps, taps, spec.stride, spec.dilation))
        self.terms = prod(taps) * (spec.in_channels // spec.groups)
        self.layer = lru_cache(maxsize=64)(self._layer)

    @cached_property
    def way(self) -> Way:
        """The way that runs; see `_ways.choose`."""
        return _ways.choose(self)

    @property
    def compute(self) -> str:
        """The type that sums, as far as it is known without data."""
        if self.request.exact:
            return "f32" if self.request.dtype.itemsize == 1 else "f64"
        return "f64" if self.request.double else "f32"

    @property
    def products(self) -> int:
        """Real multiplications of one run."""
        r, spec = self.request, self.request.spec
        positions = spec.input_size if spec.transposed else spec.output_size
        return r.batch * prod(positions) * prod(spec.weight_shape) * (4 if r.complex else 1)

    # -- what the core is told -------------------------------------------------------------------------------

    def _layer(
        self,
        strides: Strides,
        weight_strides: Strides,
        out_strides: Strides,
        residual_strides: Strides | None,
        compute: str,
        store: str,
        method: str,
        transform: Told = NOT_SPECTRAL,
    ) -> CoreLayer:
        """A layer of the core for these strides in bytes."""
        r, spec = self.request, self.request.spec
        first = r.layout == "channels_first"
        x, y = self._steps(strides), self._steps(out_strides)
        z = self._steps(residual_strides) if residual_strides is not None else _Steps(0, 0, (0,) * spec.rank)
        w_out, w_in, *_ = weight_strides if first else weight_strides[:-3:-1]
        if spec.transposed:
            w_out, w_in = w_in, w_out
        w_taps = weight_strides[2:] if first else weight_strides[:-2]
        sign = -1 if spec.flip else 1
        axes = [
            (spec.input_size[i], spec.output_size[i], spec.kernel_size[i], spec.stride[i], spec.dilation[i],
             spec.padding[i][0], BOUNDARIES.index(r.boundary[i]), x.along[i], sign * w_taps[i], y.along[i],
             z.along[i])
            for i in range(spec.rank)
        ]  # fmt: skip
        offset = sum(step * (n - 1) for step, n in zip(w_taps, spec.kernel_size, strict=True))
        x_type, w_type, y_type = (CODES[part(t).name] for t in (r.dtype, r.weight_dtype, r.out_dtype))
        return _core.Layer(
            (r.batch, spec.groups, spec.in_channels, spec.out_channels), axes,
            (x.item, x.channel, w_out, w_in, y.item, y.channel, z.item, z.channel),
            (x_type, w_type, y_type, _COMPUTE[compute]), r.complex, _STORE[store], spec.bias,
            residual_strides is not None, r.activation.told, r.x_zero_point, list(r.w_zero_point),
            offset if spec.flip else 0, METHOD_CODES[method], spec.transposed, transform,
            not first, _matrix.products(r),
        )  # fmt: skip

    def _steps(self, strides: Strides) -> _Steps:
        item, inner = (strides[0], strides[1:]) if self.request.batched else (0, strides)
        if self.request.layout == "channels_first":
            return _Steps(item, inner[0], inner[1:])
        return _Steps(item, inner[-1], inner[:-1])

    def usual(self, way: Way, exact: Exact | None = None, residual: bool = False) -> CoreLayer:
        """The layer for C-contiguous arrays.

        Raises
        ------
        ValueError
            The method cannot run this; the message says why.
        """
        r = self.request
        compute, store = exact or Exact(way.compute, "fits" if r.exact else "cast")
        out = contiguous(self.out_shape, self.out_dtype.itemsize)
        return self.layer(
            contiguous(r.in_shape, r.dtype.itemsize), contiguous(r.weight_shape, r.weight_dtype.itemsize),
            out, out if residual else None, compute, store, way.method, way.transform,
        )  # fmt: skip

    def summary(self, way: Way) -> _core.LayerSummary | None:
        """What the core tells of a way on contiguous arrays."""
        return self.usual(way).summary() if self.size else None

    def bound(
        self, data: Data, out: Array | None, workers: int | None, way: Way, known: Data
    ) -> Bound | None:
        """What repeats this call without looking at the data; None where nothing can.

        `known` are the arrays that will be the same: those of a plan.
        """
        x, residual = data.x, data.residual
        assert x is not None and data.w is not None
        if not self.size:
            return None
        exact = self._how(known, residual is not None, way)
        if exact.store not in ("cast", "fits") or (exact.compute == "wide" and way.method != "reference"):
            return None
        if out is not None and (type(out) is not np.ndarray or not steps_whole(out)):
            return None
        try:
            layer = self._bind(x, data.w, residual, out, exact, way)
        except ValueError:
            return None
        return Bound(layer, *self.threads(workers, way))

    def _bind(
        self, x: Array, w: Array, residual: Array | None, out: Array | None, exact: Exact, way: Way
    ) -> CoreLayer:
        """The layer for these arrays; without `out` for a new result."""
        over = residual.strides if residual is not None else None
        steps = contiguous(self.out_shape, self.out_dtype.itemsize) if out is None else out.strides
        return self.layer(
            x.strides, w.strides, steps, over, exact.compute, exact.store, way.method, way.transform
        )

    # -- running ---------------------------------------------------------------------------------------------

    def run(
        self,
        data: Data,
        out: Array | None,
        workers: int | None,
        way: Way,
        packer: Packer | None = None,
        known: Data | None = None,
    ) -> Array:
        """The result, in `out` where it is given; nothing is written there before every error is raised.

        `packer` gives the prepared weights of a plan.
        """
        x, w, b, residual = data
        assert x is not None and w is not None
        if not self.size:
            return np.empty(self.out_shape, self.out_dtype) if out is None else out
        exact = self._how(known or Data(), residual is not None, way)
        if self.request.exact and exact.store != "fits":
            exact = self._how(data, residual is not None, way)
        if exact.compute == "wide" and way.method != "reference":
            way = self._reference(way)
        others = [array for array in data if array is not None]
        if out is not None and exact.store != "raise" and steps_whole(out) and not touches(out, *others):
            result = out
        else:
            result = np.empty(self.out_shape, self.out_dtype)
        threads, release = self.threads(workers, way)
        try:
            layer = self._bind(x, w, residual, result, exact, way)
        except ValueError:  # steps, or a store, that the method does not take
            x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
            residual = np.ascontiguousarray(residual) if residual is not None else None
            result = np.empty(self.out_shape, self.out_dtype)
            layer = self._plain(residual is not None, exact, way)
        packed = packer(layer) if packer else layer.pack(raw(w), threads)
        bias = raw(np.ascontiguousarray(b)) if b is not None else None
        added = raw(residual) if residual is not None else None
        if layer.run(raw(x), packed, bias, added, raw(result), threads, release):
            raise overflow_error(self, data, lambda: self._saturated(data, workers))
        if out is not None and result is not out:
            out[...] = result
            return out
        return result

    def _plain(self, residual: bool, exact: Exact, way: Way) -> CoreLayer:
        try:
            return self.usual(way, exact, residual)
        except ValueError:
            return self.usual(self._reference(way), exact, residual)

    def _how(self, data: Data, residual: bool, way: Way) -> Exact:
        """The type that sums such data, and what happens at the store."""
        if not self.request.exact:
            return Exact(way.compute, "cast")
        found = choose_exact(self, data, residual, way.method == "gemm")
        if way.method == "reference":
            return found._replace(compute="wide")
        return found._replace(compute="f64") if (found.compute, way.compute) == ("f32", "f64") else found

    def _reference(self, way: Way) -> Way:
        if self.request.method not in ("auto", "reference"):
            raise FaltungValueError(
                f"`method` (={way.method!r}) would round these integers, whose sums may pass 2^53; use "
                "'auto' or 'reference'."
            )
        return _ways.reference(self)

    def _saturated(self, data: Data, workers: int | None) -> Array:
        """The results clipped to the range of their type, by the definition."""
        assert data.x is not None and data.w is not None
        layer = self.usual(_ways.reference(self), Exact("wide", "saturate"), data.residual is not None)
        packed = layer.pack(np.ascontiguousarray(data.w), 1)
        b, residual = (None if a is None else np.ascontiguousarray(a) for a in (data.b, data.residual))
        y = np.empty(self.out_shape, self.out_dtype)
        threads = self.threads(workers, _ways.reference(self))
        layer.run(np.ascontiguousarray(data.x), packed, b, residual, y, *threads)
        return y

    def threads(self, workers: int | None, way: Way) -> tuple[int, bool]:
        """Threads (0: the setting) and whether to release the GIL: short calls do neither."""
        many = workers is not None or way.seconds > _tuning.PARALLEL_SECONDS
        return (workers or 0) if many else 1, way.seconds > _tuning.RELEASE_SECONDS or (workers or 1) > 1


class _Steps(NamedTuple):
    """Bytes from one item, channel and position to the next."""

    item: int
    channel: int
    along: Strides


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def recipe(request: LayerRequest) -> LayerRecipe:
    """The recipe of a request, kept."""
    return LayerRecipe(request)
