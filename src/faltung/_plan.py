"""Describe -> plan -> run, for arrays.

`Request` is the description: hashable, checked, no data. `Recipe` derives everything from it that does not depend on the
data: geometry (a `ConvSpec`), the result, how sums are taken. `Plan` is a recipe with its kernel, for users. A recipe runs
through correlations of the core, which are bound to strides and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import count
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, _dtype, _tuning
from ._dtype import CODES, DType, Sample
from ._errors import FaltungTypeError, FaltungValueError, with_shapes
from ._explain import Candidate, Explanation
from ._integers import Exact, choose_exact, overflow_error
from ._normalize import normalize_int
from ._precision import error_units
from ._spec import ConvSpec
from ._tuning import CACHED_CALLS as CACHED_CALLS

Array = NDArray[Any]
BOUNDARIES = ("constant", "edge", "reflect", "symmetric", "wrap")
_COMPUTE = {"f32": 0, "f64": 1, "u64": 2, "wide": 3}
_STORE = {"cast": 0, "fits": 1, "raise": 2, "saturate": 3, "wrap": 4}


calls = _core.CallCache(np.ndarray, np.empty, CACHED_CALLS)
_serials = count()


@dataclass(frozen=True)
class Request:
    """One array operation, described. Axes are those of `shape`; a kernel axis stands on `kernel_axes[i]`."""

    flip: bool
    shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    dtype: DType
    kernel_dtype: DType
    weak: bool
    kernel_weak: bool
    axes: tuple[int, ...]
    kernel_axes: tuple[int, ...]
    mode: str
    boundary: tuple[str, ...]
    fill: bytes
    padding: tuple[tuple[int, int], ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    method: str
    precision: str
    nan_policy: str
    result: DType | None
    overflow: str
    double_taps: bool = False  # weak taps that float32 would not hold to its precision

    @property
    def samples(self) -> tuple[Sample, Sample]:
        """What of the operands decides the type of the result."""
        return Sample(self.dtype, self.weak), Sample(self.kernel_dtype, self.kernel_weak)


class Recipe:
    """Everything about a request that does not depend on the data."""

    def __init__(self, request: Request) -> None:
        self.request = request
        a, k = request.samples
        kernel_at = dict(zip(request.kernel_axes, request.kernel_shape, strict=True))
        self.spec: ConvSpec | None = None
        sizes = tuple(request.shape[axis] for axis in request.axes)
        if request.axes:
            self.spec = ConvSpec(
                input_size=sizes,
                kernel_size=tuple(kernel_at[axis] for axis in request.axes),
                stride=request.stride,
                padding=request.padding,
                dilation=request.dilation,
                flip=request.flip,
            )
        along = dict(zip(request.axes, self.spec.output_size, strict=True)) if self.spec else {}
        self.kernel_at = kernel_at
        self.out_shape = tuple(
            along[axis] if axis in along else (kernel_at.get(axis, n) if n == 1 else n)
            for axis, n in enumerate(request.shape)
        )
        conflict = request.result is not None
        self.natural = _natural(a, k, conflict)
        self.out_dtype = request.result if request.result is not None else self.natural
        self.exact = a.kind <= 1 and k.kind <= 1  # integers: exact, whatever the result's type
        self.double = request.double_taps or _dtype.works_in_double(a, k, self.natural, self.out_dtype)
        self.taps = prod(self.spec.kernel_size) if self.spec else 1
        self.complex = (a.kind == 3, k.kind == 3)
        self.terms = self.taps * (2 if any(self.complex) else 1)
        self.size = prod(self.out_shape)
        self.serial = next(_serials)
        self.correlation = lru_cache(maxsize=64)(self._correlation)

    # -- what the core is told -----------------------------------------------------------------------------------------

    def _correlation(
        self,
        strides: tuple[int, ...],
        kernel_strides: tuple[int, ...],
        out_strides: tuple[int, ...],
        types: tuple[str, str, str],
        compute: str,
        store: str,
        reference: bool,
    ) -> _core.Correlation:
        """A correlation of the core for these strides in bytes; `types` are those of the parts."""
        r = self.request
        steps = dict(zip(r.kernel_axes, kernel_strides, strict=True))
        sign = -1 if r.flip else 1
        axes, batch, offset = [], [], 0
        order = _contiguous(self.out_shape, 1)
        for axis, n in enumerate(r.shape):
            step = steps.get(axis, 0)
            if axis in r.axes and self.spec:
                i = r.axes.index(axis)
                taps = self.spec.kernel_size[i]
                offset += step * (taps - 1) if r.flip else 0
                axes.append(
                    (n, self.out_shape[axis], taps, r.stride[i], r.dilation[i], r.padding[i][0],
                     BOUNDARIES.index(r.boundary[i]), strides[axis], sign * step, out_strides[axis], order[axis])
                )  # fmt: skip
            else:
                batch.append(
                    (self.out_shape[axis], strides[axis] if n > 1 else 0,
                     step if self.kernel_at.get(axis, 1) > 1 else 0, out_strides[axis], order[axis])
                )  # fmt: skip
        both = all(self.complex) and compute in ("f32", "f64")
        fill = r.fill
        return _core.Correlation(
            axes, batch, CODES[types[0]], CODES[types[1]], CODES[types[2]], _COMPUTE[compute],
            self.complex[0], both, both and not r.flip, not any(fill) or _is_zero(fill, r.dtype), _STORE[store],
            fill, offset, reference,
        )  # fmt: skip

    def _run_core(self, a: Array, k: Array, out: Array, compute: str, store: str, workers: int | None) -> bool:
        """Runs on arrays whose types the core reads; true when a value had to be reported."""
        names = tuple(_dtype.part(x.dtype).name for x in (a, k, out))
        reference = self.request.method == "reference"
        core = self.correlation(a.strides, k.strides, out.strides, names, compute, store, reference)  # type: ignore[arg-type]
        return core.run(_raw(a), _raw(k), _raw(out), *self._threads(workers))

    def _run_parts(self, a: Array, k: Array, out: Array, compute: str, workers: int | None) -> bool:
        """Floating point into `out`: real and complex operands."""
        if k.dtype.kind == "c" and a.dtype.kind != "c":
            imaginary = k.imag if self.request.flip else -k.imag
            reported = self._run_core(a, k.real, out.real, compute, "cast", workers)
            return self._run_core(a, imaginary, out.imag, compute, "cast", workers) or reported
        if out.dtype.kind == "c" and a.dtype.kind != "c":
            out.imag[...] = 0
            return self._run_core(a, k, out.real, compute, "cast", workers)
        return self._run_core(a, k, out, compute, "cast", workers)

    # -- running -------------------------------------------------------------------------------------------------------

    def bound(self, a: Array, k: Array, out: Array | None, workers: int | None) -> tuple[Any, ...] | None:
        """What repeats this call on arrays like these without looking at the data; None where it cannot be."""
        if self.exact or self.request.nan_policy == "raise" or _dtype.is_integer(self.out_dtype) or self.complex[0] != (self.out_dtype.kind == "c") or not self.size:
            return None
        if out is None:
            out = np.empty(self.out_shape, self.out_dtype)
        elif type(out) is not np.ndarray or not _steps_whole(out):
            return None
        if not (a.flags.aligned and a.dtype.isnative):
            return None
        names = tuple(_dtype.part(x.dtype).name for x in (a, k, out))
        reference = self.request.method == "reference"
        core = self.correlation(a.strides, k.strides, out.strides, names, self.compute, "cast", reference)  # type: ignore[arg-type]
        return core, self.out_shape, self.out_dtype, *self._threads(workers)

    def _threads(self, workers: int | None) -> tuple[int, bool]:
        """Threads (0: the setting) and whether to release the GIL: short calls do neither."""
        seconds = self.seconds(self.request.method == "reference")
        many = workers is not None or seconds > _tuning.PARALLEL_SECONDS
        return (workers or 0) if many else 1, seconds > _tuning.RELEASE_SECONDS or (workers or 1) > 1

    @property
    def compute(self) -> str:
        """The type that sums, for floating point."""
        return "f64" if self.double else "f32"

    def run(self, a: Array, k: Array, out: Array | None, workers: int | None) -> Array:
        """The result, in `out` where it is given; nothing is written there before every error is raised."""
        if self.request.nan_policy == "raise":
            _refuse_nan(a=a, k=k)
        result = out
        simple = not self.exact and not _dtype.is_integer(self.out_dtype)
        if out is None or not simple or _touches(out, a, k) or not _steps_whole(out):
            result = np.empty(self.out_shape, self.out_dtype)
        assert result is not None
        if result.size:
            if self.exact:
                self._run_exact(a, k, result, workers)
            elif simple:
                self._run_parts(a, k, result, self.compute, workers)
            else:
                self._run_rounded(a, k, result, workers)
        if out is not None and result is not out:
            out[...] = result
            return out
        return result

    def _run_exact(self, a: Array, k: Array, out: Array, workers: int | None) -> None:
        to_float = not _dtype.is_integer(out.dtype)
        how = choose_exact(self, a, k)
        if self.request.method == "reference":
            how = Exact("wide", how.store)
        if not to_float:
            if self._run_core(a, k, out, how.compute, how.store, workers):
                raise overflow_error(self, a, k, workers)
            return
        if out.dtype.kind == "c":
            out.imag[...] = 0
        self._run_core(a, k, out.real if out.dtype.kind == "c" else out, how.compute, "cast", workers)

    def _run_rounded(self, a: Array, k: Array, out: Array, workers: int | None) -> None:
        """Floating point into integers: rounded half to even, then the overflow rule."""
        store = self.request.overflow
        if self._run_core(a, k, out, self.compute, store, workers):
            raise overflow_error(self, a, k, workers)

    def in_float64(self) -> Recipe:
        """The same operation into float64, for a look at what did not fit; integer sums are rounded once."""
        method = "reference" if self.exact else self.request.method
        return recipe(replace(self.request, result=np.dtype(np.float64), method=method))

    # -- prediction ----------------------------------------------------------------------------------------------------

    @cached_property
    def products(self) -> int:
        """Multiplications: outputs times taps, four for a complex pair."""
        factor = (2 if self.complex[0] else 1) * (2 if self.complex[1] else 1)
        return prod(self.out_shape) * self.taps * factor

    @property
    def traffic(self) -> int:
        """Bytes read and written once."""
        return prod(self.request.shape) * self.request.dtype.itemsize + prod(self.out_shape) * self.out_dtype.itemsize

    def seconds(self, reference: bool = False) -> float:
        """Predicted time of one thread."""
        if reference:
            return _tuning.CALL_SECONDS + self.products / _tuning.REFERENCE_RATE
        rate = _tuning.DIRECT_RATE[64 if self.double or self.exact and self.request.dtype.itemsize > 2 else 32]
        return _tuning.CALL_SECONDS + max(self.products / rate, self.traffic / _tuning.COPY_RATE)

    def explain(self) -> Explanation:
        """The candidates, their predicted time, what they promise, and why one was taken."""
        r = self.request
        promise = "exact" if self.exact else "highest"
        forced = None if r.method == "auto" else r.method
        direct, slow = self.seconds(), self.seconds(reference=True)
        chosen = forced or "direct"
        reasons = {
            "direct": "fastest that keeps the promise" if chosen == "direct" else f"`method={forced!r}` was asked for",
            "reference": "asked for" if chosen == "reference" else f"about {slow / direct:.0f} times slower",
        }
        if forced == "direct":
            reasons["direct"] = "asked for"
        detail = self._detail()
        rows = (
            Candidate("direct", direct, detail.get("scratch_bytes", 0), promise, reasons["direct"], chosen == "direct"),
            Candidate("reference", slow, 0, promise, reasons["reference"], chosen == "reference"),
        )
        return Explanation(self._title(), rows, self._details(detail))

    def _detail(self) -> dict[str, Any]:
        if 0 in self.out_shape or self.complex == (False, True):
            return {}
        compute = self.compute if not self.exact else ("f32" if self.request.dtype.itemsize <= 2 else "f64")
        parts = [_dtype.part(d).name for d in (self.request.dtype, self.request.kernel_dtype, self.out_dtype)]
        a_strides = _contiguous(self.request.shape, self.request.dtype.itemsize)
        k_strides = _contiguous(self.request.kernel_shape, self.request.kernel_dtype.itemsize)
        out_strides = _contiguous(self.out_shape, self.out_dtype.itemsize)
        store = "fits" if _dtype.is_integer(self.out_dtype) else "cast"
        core = self._correlation(a_strides, k_strides, out_strides, tuple(parts), compute, store, False)  # type: ignore[arg-type]
        return core.summary()

    def _title(self) -> str:
        r = self.request
        name = "convolve" if r.flip else "correlate"
        return (
            f"{name} {r.dtype} {r.shape} with {r.kernel_dtype} {r.kernel_shape} -> {self.out_dtype} {self.out_shape}, "
            f"mode {r.mode}, boundary {' '.join(dict.fromkeys(r.boundary)) or 'none'}"
        )

    def _details(self, detail: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        if not detail:
            return ()
        rows, columns, group = detail["tile"]
        how = "read in place, borders peeled" if detail["reads_in_place"] else "converted strip by strip in cache"
        return (
            ("microkernel", detail["kernel"]),
            ("register tile", f"{rows} rows x {columns} columns, {group} kernel rows at once"),
            ("unit of work", f"{detail['unit'][0]} rows x {detail['unit'][1]} columns, {detail['units']} units"),
            ("partial sums", f"{detail['partial_sums']} an output, of at most 256 terms each"),
            ("input", how),
            ("multiply-adds", f"{self.products:,}"),
        )

    def error_bound(self, a: Array, k: Array) -> Array:
        """The bound that `precision` promises at every output, in the units of the result."""
        if self.exact and _dtype.is_integer(self.out_dtype):
            return np.zeros(self.out_shape)
        magnitude = recipe(
            replace(
                self.request, dtype=np.dtype(np.float64), kernel_dtype=np.dtype(np.float64), weak=False, kernel_weak=False,
                result=None, fill=np.abs(np.frombuffer(self.request.fill, self.request.dtype)[:1]).astype(float).tobytes(),
            )
        )  # fmt: skip
        total = magnitude.run(np.abs(a).astype(float), np.abs(k).astype(float), None, None)
        unit, tiny = (2.0**-53, 2.0**-1075) if self.double else (2.0**-24, 2.0**-150)
        bound = error_units(self.terms) * unit * total + self.terms * tiny
        half = {"float16": (2.0**-11, 2.0**-25), "bfloat16": (2.0**-8, 2.0**-134)}.get(self.out_dtype.name)
        if half:
            bound = bound + half[0] * (total + bound) + half[1]
        elif _dtype.is_integer(self.out_dtype):
            bound = bound + 0.5
        return bound


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def recipe(request: Request) -> Recipe:
    """The recipe of a request, kept."""
    return Recipe(request)


def clear_plans() -> None:
    """Forget every cached decision."""
    calls.clear()
    recipe.cache_clear()


def resolve_workers(workers: object) -> int | None:
    """The threads that a call asks for; None where the setting decides."""
    if workers is None:
        return None
    n = normalize_int("workers", workers, -(2**62))
    if n < -1 or n == 0:
        raise FaltungValueError(
            f"`workers` (={workers!r}) must be at least 1, or -1 for all CPUs, or None for the setting."
        )
    return _core.cpu_limit() if n == -1 else min(n, 4096)


def _natural(a: Sample, k: Sample, forced: bool) -> DType:
    try:
        return _dtype.result_dtype(a, k)
    except FaltungTypeError:
        if not forced:
            raise
    if "uint64" in (a.dtype.name, k.dtype.name):
        return np.dtype(np.int64)
    return np.dtype(np.float32)


def _refuse_nan(**arrays: Array) -> None:
    for name, array in arrays.items():
        if not _dtype.is_integer(array.dtype) and bool(np.isnan(array).any()):
            where = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
            raise FaltungValueError(
                f"`{name}` holds NaN (at index {where}) and `nan_policy` is 'raise'; remove it or pass "
                "`nan_policy='propagate'`."
            )


def _raw(array: Array) -> Array:
    """bfloat16 has no buffer protocol; its bits have."""
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def _is_zero(fill: bytes, dtype: DType) -> bool:
    return not np.any(np.frombuffer(fill, dtype)[:1])


def _contiguous(shape: Sequence[int], item: int) -> tuple[int, ...]:
    strides, step = [], item
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def _touches(out: Array, *others: Array) -> bool:
    return any(np.may_share_memory(out, other) for other in others)


def _steps_whole(out: Array) -> bool:
    return bool(out.flags.aligned) and all(step % out.itemsize == 0 for step in out.strides)


class Plan:
    """How one array operation runs, with its kernel: frozen, printable, reusable from any number of threads.

    Made by `plan_convolve` and `plan_correlate`. Calling a plan runs it on an array of exactly its shape and data type.

    Examples
    --------
    >>> import faltung as fl
    >>> plan = fl.plan_convolve((5,), [1, 2, 1], "same", dtype="float32")
    >>> plan([0, 0, 1, 0, 0])
    array([0., 1., 2., 1., 0.], dtype=float32)
    >>> plan.method
    'direct'
    """

    __slots__ = ("_kernel", "_recipe", "_workers")

    _recipe: Recipe
    _kernel: Array
    _workers: int | None

    def __init__(self, request: Request, kernel: Array, workers: int | None) -> None:
        object.__setattr__(self, "_recipe", recipe(request))
        frozen = np.array(kernel, copy=True, order="C")
        frozen.flags.writeable = False
        object.__setattr__(self, "_kernel", frozen)
        object.__setattr__(self, "_workers", workers)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Plan is frozen; `{name}` cannot be set. Make another with `with_weights` or `plan_convolve`.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Plan is frozen; `{name}` cannot be deleted.")

    def __reduce__(self) -> tuple[Any, ...]:
        return Plan, (self._recipe.request, self._kernel, self._workers)

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Run on an array of exactly the plan's shape and data type.

        Parameters
        ----------
        x : array_like
            The samples; a list is converted to the plan's data type.
        out : ndarray, optional
            Takes the result: exactly its shape and data type.

        Returns
        -------
        ndarray
            The result, or `out`.
        """
        key = (self._recipe.serial, self._workers)
        y = calls.run(x, self._kernel, key, out)
        if y is not None:
            return y  # type: ignore[no-any-return]
        request = self._recipe.request
        a = x if isinstance(x, np.ndarray) else np.asarray(x, None if hasattr(x, "dtype") else request.dtype)
        if a.shape != request.shape:
            raise FaltungValueError(
                with_shapes("`x` must have exactly the plan's shape; make a plan for this one.", x=a.shape, plan=request.shape)
            )
        if a.dtype != request.dtype:
            raise FaltungTypeError(
                f"`x` (of {a.dtype}) must have exactly the plan's data type, {request.dtype}; convert it with "
                f"`.astype({request.dtype.name!r})` or make a plan for {a.dtype}."
            )
        check_out(out, self._recipe)
        if type(x) is np.ndarray:
            bound = self._recipe.bound(a, self._kernel, out, self._workers)
            if bound is not None:
                calls.add(a, self._kernel, key, out, *bound)
        return self._recipe.run(prepared(a), self._kernel, out, self._workers)

    @property
    def method(self) -> str:
        """The method that runs: "direct" or "reference"."""
        return "reference" if self._recipe.request.method == "reference" else "direct"

    @property
    def spec(self) -> ConvSpec | None:
        """The convolution in plain integers; None for two 0-d arrays."""
        return self._recipe.spec

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return self._recipe.out_shape

    @property
    def dtype(self) -> DType:
        """The data type of the result."""
        return self._recipe.out_dtype

    @property
    def cost(self) -> int:
        """Real multiplications of one run."""
        return self._recipe.products

    def explain(self) -> Explanation:
        """Every candidate with its predicted time, extra memory and promise, and why it was taken or lost."""
        return self._recipe.explain()

    def error_bound(self, x: Any) -> Array:
        """The largest error that any output of `plan(x)` may have, output by output.

        (1.1 min(n, 256) + ceil(n / 256) + 20) u S, with S = sum |x| |k| and n the terms of a sum; 0 for integers.
        """
        return self._recipe.error_bound(np.asarray(x, self._recipe.request.dtype), self._kernel)

    def with_weights(self, k: Any) -> Plan:
        """The same plan with another kernel of the same shape and data type."""
        kernel = np.asarray(k, self._kernel.dtype)
        if kernel.shape != self._kernel.shape:
            raise FaltungValueError(
                with_shapes("`k` must have exactly the plan's kernel shape; make another plan.", k=kernel.shape, plan=self._kernel.shape)
            )
        return Plan(self._recipe.request, kernel, self._workers)

    def __repr__(self) -> str:
        return f"<Plan: {self._recipe._title()}, method {self.method}>"


def prepared(array: Array) -> Array:
    """An array that the core can read: native, aligned, whole steps."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if type(array) is not np.ndarray:
        array = array.view(np.ndarray)
    if not array.flags.aligned:
        array = array.copy()
    return array


def check_out(out: object, result: Recipe) -> None:
    """Errors for an `out` that cannot take the result."""
    if out is None:
        return
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise FaltungTypeError(f"`out` (a {type(out).__name__}) must be a plain NumPy array; leave it out to get a new array.")
    if out.shape != result.out_shape:
        raise FaltungValueError(
            with_shapes("`out` must have exactly the shape of the result.", out=out.shape, result=result.out_shape)
        )
    if out.dtype != result.out_dtype:
        raise FaltungTypeError(
            f"`out` (of {out.dtype}) must have exactly the data type of the result, {result.out_dtype}; pass "
            f"`dtype={out.dtype.name!r}` or an `out` of {result.out_dtype}."
        )
    if not out.flags.writeable:
        raise FaltungValueError("`out` is read-only; pass a writable array, for instance a copy.")
