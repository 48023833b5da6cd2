"""From a request to numbers: a recipe derives all that does not depend on the data, and runs.

The geometry (a `ConvSpec`), the type of the result, the type that sums, the predicted time. It runs through
correlations of the core, which are bound to types and strides and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import count
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _core, _dtype, _tuning, _ways
from ._dtype import CODES, DType, Sample
from ._errors import FaltungTypeError, FaltungValueError
from ._integers import Exact, choose_exact, overflow_error
from ._request import BOUNDARIES, Request
from ._spec import ConvSpec
from ._spectral import Blocks
from ._ways import Choice, Known, Way

Array: TypeAlias = NDArray[Any]
Strides: TypeAlias = tuple[int, ...]

_COMPUTE = {"f32": 0, "f64": 1, "u64": 2, "wide": 3}
_METHOD = {"direct": 0, "reference": 1, "separable": 2, "spectral": 3}
_STORE = {"cast": 0, "fits": 1, "raise": 2, "saturate": 3, "wrap": 4}
_serials = count()


class Recipe:
    """Everything about a request that does not depend on the data, and how to run it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.serial = next(_serials)
        self.kernel_at = dict(zip(request.kernel_axes, request.kernel_shape, strict=True))
        self.spec: ConvSpec | None = None  # none for two 0-d arrays
        if request.axes:
            self.spec = ConvSpec(
                input_size=tuple(request.shape[axis] for axis in request.axes),
                kernel_size=tuple(self.kernel_at[axis] for axis in request.axes),
                stride=request.stride,
                padding=request.padding,
                dilation=request.dilation,
                flip=request.flip,
            )
        along = dict(zip(request.axes, self.spec.output_size, strict=True)) if self.spec else {}
        self.out_shape = tuple(
            along[axis] if axis in along else (self.kernel_at.get(axis, n) if n == 1 else n)
            for axis, n in enumerate(request.shape)
        )
        self.size = prod(self.out_shape)
        self.lengths = tuple(self.kernel_at[axis] for axis in sorted(request.axes))  # as the core orders axes
        self.taps = prod(self.lengths)

        a, k = request.samples
        natural = _natural(a, k, request.result is not None)
        self.out_dtype = natural if request.result is None else request.result
        self.exact = a.kind <= 1 and k.kind <= 1  # integers: exact, whatever the result's type
        self.double = request.double_taps or _dtype.works_in_double(a, k, natural, self.out_dtype)
        self.complex = (a.kind == 3, k.kind == 3)
        self.terms = self.taps * (2 if any(self.complex) else 1)
        self.correlation = lru_cache(maxsize=64)(self._correlation)
        self._chosen = lru_cache(maxsize=16)(self._choose_by_content)

    @property
    def compute(self) -> str:
        """The type that sums, for floating point."""
        return "f64" if self.double else "f32"

    # -- which method ----------------------------------------------------------------------------------------

    @cached_property
    def needs_kernel(self) -> bool:
        """Whether the method depends on the values of the taps, not only on the request."""
        return _ways.needs_kernel(self)

    @cached_property
    def _usual(self) -> Choice:
        return _ways.choose(self, np.empty(0))

    def choose(self, k: Array, keep: bool = False, known: Known = None) -> Choice:
        """The way to run with these taps; see `_ways.choose`. That of small kernels is kept, by content."""
        if not self.needs_kernel and not keep:
            return self._usual
        if keep or k.nbytes > _tuning.KEPT_KERNEL_BYTES:
            return _ways.choose(self, k, keep, known)
        return self._chosen(k.tobytes(), known and tuple((f.tobytes(), f.dtype.char) for f in known))

    def _choose_by_content(self, taps: bytes, known: tuple[tuple[bytes, str], ...] | None) -> Choice:
        k = np.frombuffer(taps, self.request.kernel_dtype).reshape(self.request.kernel_shape)
        return _ways.choose(self, k, known=[np.frombuffer(*factor) for factor in known] if known else None)

    @cached_property
    def tiling(self) -> Blocks | None:
        """How the spectral method would cut the operation into blocks."""
        return _ways.blocks(self)

    def kernel_of(self, k: Array) -> Array:
        """The taps of one kernel with its convolved axes in the order of the array's."""
        axes = self.request.kernel_axes
        along = [axes.index(axis) for axis in sorted(self.request.axes)]
        return k.transpose(along + [i for i in range(k.ndim) if i not in along]).reshape(self.lengths)

    # -- what the core is told -------------------------------------------------------------------------------

    def _correlation(
        self,
        strides: Strides,
        kernel_strides: Strides,
        out_strides: Strides,
        types: tuple[str, str, str],
        compute: str,
        store: str,
        way: Way,
        keep: bool,
    ) -> _core.Correlation:
        """A correlation of the core for these strides in bytes; `types` are those of the parts."""
        r = self.request
        steps = dict(zip(r.kernel_axes, kernel_strides, strict=True))
        sign = -1 if r.flip else 1
        axes, batch, offset = [], [], 0
        order = contiguous(self.out_shape, 1)
        for axis, n in enumerate(r.shape):
            step = steps.get(axis, 0)
            if axis in r.axes and self.spec:
                i = r.axes.index(axis)
                taps = self.spec.kernel_size[i]
                offset += step * (taps - 1) if r.flip else 0
                axes.append(
                    (n, self.out_shape[axis], taps, r.stride[i], r.dilation[i], r.padding[i][0],
                     BOUNDARIES.index(r.boundary[i]), strides[axis], sign * step, out_strides[axis],
                     order[axis])
                )  # fmt: skip
            else:
                batch.append(
                    (self.out_shape[axis], strides[axis] if n > 1 else 0,
                     step if self.kernel_at.get(axis, 1) > 1 else 0, out_strides[axis], order[axis])
                )  # fmt: skip
        both = all(self.complex) and compute in ("f32", "f64")
        zero_fill = not np.any(np.frombuffer(r.fill, r.dtype)[:1])
        return _core.Correlation(
            axes, batch, CODES[types[0]], CODES[types[1]], CODES[types[2]], _COMPUTE[compute],
            self.complex[0], both, both and not r.flip, zero_fill, _STORE[store], r.fill, offset,
            _METHOD[way.method], way.terms, way.block, way.folded, way.local, keep,
        )  # fmt: skip

    @cached_property
    def direct_summary(self) -> _core.Summary | None:
        """What the core tells of the direct method on contiguous arrays."""
        r = self.request
        if not self.size or self.complex == (False, True):
            return None
        types = (r.dtype, r.kernel_dtype, self.out_dtype)
        compute = self.compute if not self.exact else ("f32" if r.dtype.itemsize <= 2 else "f64")
        core = self._correlation(
            contiguous(r.shape, r.dtype.itemsize),
            contiguous(r.kernel_shape, r.kernel_dtype.itemsize),
            contiguous(self.out_shape, self.out_dtype.itemsize),
            _parts(*types),
            compute,
            "fits" if _dtype.is_integer(self.out_dtype) else "cast",
            _ways.plain(self, "direct"),
            False,
        )
        return core.summary()

    def bound(
        self, a: Array, k: Array, out: Array | None, workers: int | None, choice: Choice | None
    ) -> tuple[Any, ...] | None:
        """What repeats this call on arrays like these without looking at the data; None where nothing can.

        With a `choice`, `k` is what a plan gives to the core.
        """
        r = self.request
        looks_at_data = self.exact or _dtype.is_integer(self.out_dtype) or r.nan_policy == "raise"
        looks_at_data = looks_at_data or r.missing or (self.needs_kernel and choice is None)
        in_parts = self.complex[0] != (self.out_dtype.kind == "c")
        if looks_at_data or in_parts or not self.size or not self.out_shape:
            return None
        if out is None:
            out = np.empty(self.out_shape, self.out_dtype)
        elif type(out) is not np.ndarray or not steps_whole(out):
            return None
        if not (a.flags.aligned and a.dtype.isnative):
            return None
        way = (choice or self._usual).way
        core = self._bound(a, k, out, way.compute or self.compute, "cast", way, choice is not None)
        return core, self.out_shape, self.out_dtype, *self._threads(workers, way)

    def _bound(
        self, a: Array, k: Array, out: Array, compute: str, store: str, way: Way, keep: bool
    ) -> _core.Correlation:
        types = _parts(a.dtype, k.dtype, out.dtype)
        # Of the separable method `k` holds the factors, whose steps the core knows.
        steps = (0,) * len(self.request.kernel_axes) if way.method == "separable" else k.strides
        return self.correlation(a.strides, steps, out.strides, types, compute, store, way, keep)

    # -- running ---------------------------------------------------------------------------------------------

    def run(
        self, a: Array, k: Array, out: Array | None, workers: int | None, choice: Choice | None = None
    ) -> Array:
        """The result, in `out` where it is given; nothing is written there before every error is raised."""
        if self.request.nan_policy == "raise":
            refuse_nan(a=a, k=k)
        how = _Run(choice or self.choose(k), workers)
        compute, store = self._how(a, k, how.way)
        may_fail = store == "raise" or (store not in ("cast", "fits") and not self._never_nan(a, k))
        if out is not None and not (may_fail or touches(out, a, k)) and steps_whole(out):
            result = out
        else:
            result = np.empty(self.out_shape, self.out_dtype)
        if result.size and store == "cast":
            self._run_parts(a, k, result, compute, how)
        elif result.size and self._run_core(a, k, result, compute, store, how):
            raise overflow_error(self, a, k, workers)
        if out is not None and result is not out:
            out[...] = result
            return out
        return result

    def _how(self, a: Array, k: Array, way: Way) -> Exact:
        """The type that sums these data, and what happens at the store."""
        if not self.exact:
            rounded = _dtype.is_integer(self.out_dtype)
            return Exact(way.compute or self.compute, self.request.overflow if rounded else "cast")
        how = choose_exact(self, a, k) if self.size else Exact("f64", "fits")
        return Exact("wide" if way.method == "reference" else way.compute or how.compute, how.store)

    def _never_nan(self, a: Array, k: Array) -> bool:
        """Whether no sum can be NaN: integer samples, and taps far from overflow."""
        if self.exact:
            return True
        return _dtype.is_integer(a.dtype) and bool(np.abs(k).sum(dtype=np.float64) < 1e18)

    def _run_parts(self, a: Array, k: Array, out: Array, compute: str, how: _Run) -> None:
        """Into floating point; a real operand multiplies both parts of a complex one."""
        if k.dtype.kind == "c" and a.dtype.kind != "c":
            imaginary = k.imag if self.request.flip else -k.imag
            self._run_core(a, k.real, out.real, compute, "cast", how)
            self._run_core(a, imaginary, out.imag, compute, "cast", how)
        elif out.dtype.kind == "c" and a.dtype.kind != "c":
            out.imag[...] = 0
            self._run_core(a, k, out.real, compute, "cast", how)
        else:
            self._run_core(a, k, out, compute, "cast", how)

    def _run_core(self, a: Array, k: Array, out: Array, compute: str, store: str, how: _Run) -> bool:
        """Runs on arrays whose types the core reads; true when a value had to be reported."""
        taps = k if how.choice.factors is None else how.choice.factors
        core = self._bound(a, taps, out, compute, store, how.way, how.choice.keep)
        return core.run(raw(a), raw(taps), raw(out), *self._threads(how.workers, how.way))

    def _threads(self, workers: int | None, way: Way) -> tuple[int, bool]:
        """Threads (0: the setting) and whether to release the GIL: short calls do neither."""
        many = workers is not None or way.seconds > _tuning.PARALLEL_SECONDS
        return (workers or 0) if many else 1, way.seconds > _tuning.RELEASE_SECONDS or (workers or 1) > 1

    def in_float64(self) -> Recipe:
        """The same operation into float64, for a look at what did not fit; integer sums are rounded once."""
        method = "reference" if self.exact else "direct"
        return recipe(replace(self.request, result=np.dtype(np.float64), method=method))

    # -- prediction ------------------------------------------------------------------------------------------

    @cached_property
    def products(self) -> int:
        """Multiplications: outputs times taps, four for a complex pair."""
        factor = (2 if self.complex[0] else 1) * (2 if self.complex[1] else 1)
        return self.size * self.taps * factor

    @property
    def part_bytes(self) -> int:
        """Of the type that computes by the direct method."""
        wide = self.double or (self.exact and self.request.dtype.itemsize > 2)
        return 8 if wide else 4

    @cached_property
    def traffic(self) -> int:
        """Bytes read and written at least."""
        return prod(self.request.shape) * self.request.dtype.itemsize + self.size * self.out_dtype.itemsize

    @cached_property
    def direct_seconds(self) -> float:
        """Predicted time of the direct method on one thread."""
        output, tap = _tuning.DIRECT[self.part_bytes][min(len(self.lengths), 3)]
        factor = self.products // max(self.size * self.taps, 1)  # of complex operands
        work = self.size * factor * (output + tap * self.taps)
        return _tuning.CALL_SECONDS + max(work, self.traffic / _tuning.COPY_RATE)

    @property
    def reference_seconds(self) -> float:
        """Predicted time of the definition on one thread."""
        return _tuning.CALL_SECONDS + self.products / _tuning.REFERENCE_RATE


class _Run(NamedTuple):
    """One run: the way, and the threads asked for."""

    choice: Choice
    workers: int | None

    @property
    def way(self) -> Way:
        return self.choice.way


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def recipe(request: Request) -> Recipe:
    """The recipe of a request, kept."""
    return Recipe(request)


def contiguous(shape: Sequence[int], item: int) -> Strides:
    """The strides in bytes of a C-contiguous array."""
    strides, step = [], item
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def _natural(a: Sample, k: Sample, forced: bool) -> DType:
    try:
        return _dtype.result_dtype(a, k)
    except FaltungTypeError:
        if not forced:
            raise
    return np.dtype(np.int64 if "uint64" in (a.dtype.name, k.dtype.name) else np.float32)


def refuse_nan(**arrays: Array) -> None:
    """An error where an array holds NaN, which names the array and the place."""
    for name, array in arrays.items():
        if not _dtype.is_integer(array.dtype) and bool(np.isnan(array).any()):
            raise nan_error(name, tuple(int(i) for i in np.argwhere(np.isnan(array))[0]))


def nan_error(name: str, where: tuple[int, ...]) -> Exception:
    """What to raise for a NaN under `nan_policy` "raise"."""
    return FaltungValueError(
        f"`{name}` holds NaN (at index {where}) and `nan_policy` is 'raise'; remove it or pass "
        "`nan_policy='propagate'`."
    )


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def _parts(a: DType, k: DType, out: DType) -> tuple[str, str, str]:
    return _dtype.part(a).name, _dtype.part(k).name, _dtype.part(out).name


def raw(array: Array) -> Array:
    """bfloat16 has no buffer protocol; its bits have."""
    return array.view(np.uint16) if array.dtype.kind == "V" else array


def touches(out: Array, *others: Array) -> bool:
    """Whether `out` may share memory with another array."""
    return any(np.may_share_memory(out, other) for other in others)


def steps_whole(out: Array) -> bool:
    """Whether the core can write there: aligned, whole numbers apart."""
    return bool(out.flags.aligned) and all(step % out.itemsize == 0 for step in out.strides)
