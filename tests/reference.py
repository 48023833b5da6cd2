"""The definition of convolution in plain Python: the oracle of every test.

On each convolved axis, with N samples, K taps, stride S, dilation D and the centre tap c,

    convolve   y[i] = Σ_j a[i·S + (c − j)·D] · k[j]
    correlate  y[i] = Σ_j a[i·S + (j − c)·D] · conj(k[j])

          convolve   correlate      outputs before the stride
    full  c = 0      c = K − 1      N + D(K − 1)
    valid c = K − 1  c = 0          N − D(K − 1)
    same  c = (K−1)//2  c = K//2    N               (or c = anchor)

A sample outside the array comes from inside by ``numpy.pad``'s index maps, or is ``fill_value``; a fill of
zero means that the term is absent. :func:`reference` computes with Python integers and fractions, so finite
results are exact; a window that holds an infinity or a NaN follows IEEE arithmetic. :func:`quick_reference`
is the same definition with NumPy, one tap at a time, for arrays too large for pure Python.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Exact:
    """What one call should give, and what its error may be measured by.

    ``real`` and ``imag`` hold the values (``imag`` is None for real data), ``magnitude`` the same sums over
    absolute values, S = Σ|a|·|k|, and ``taps`` the number of taps that meet in one output.
    """

    real: np.ndarray
    imag: np.ndarray | None
    magnitude: np.ndarray
    taps: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.real.shape


@dataclass(frozen=True)
class Axis:
    """One convolved axis: which sample meets which tap."""

    size: int
    taps: int
    centre: int
    stride: int
    dilation: int
    boundary: str
    flip: bool
    outputs: int

    def position(self, output: int, tap: int) -> int:
        """Where ``tap`` lies at ``output``, inside the array or not."""
        steps = self.centre - tap if self.flip else tap - self.centre
        return output * self.stride + steps * self.dilation

    def source(self, output: int, tap: int) -> int | None:
        """Index of the sample that ``tap`` meets at ``output``; None outside a constant boundary."""
        return boundary_index(self.position(output, tap), self.size, self.boundary)

    def reach(self) -> tuple[int, int]:
        """How many samples the windows need before the first and after the last."""
        ends = [self.position(output, tap) for output in (0, self.outputs - 1) for tap in (0, self.taps - 1)]
        return max(-min(ends), 0), max(max(ends) - self.size + 1, 0)


def as_array(x: Any) -> np.ndarray:
    """An argument's numbers. Python integers stay integers from 2^63 on too, where NumPy makes floats."""
    array = np.asarray(x)
    listed = isinstance(x, (list, tuple)) and array.dtype.kind in "fO" and array.size
    if listed and all(isinstance(v, int) for v in np.asarray(x, object).flat):
        return np.asarray(x, np.uint64)
    return array


def boundary_index(position: int, size: int, boundary: str) -> int | None:
    """``numpy.pad``'s index maps for ``size`` samples, repeated as often as needed; size 1 maps to 0.

    edge       0 0 0 | 0 1 2 | 2 2 2        wrap       0 1 2 | 0 1 2 | 0 1 2
    reflect    1 2 1 | 0 1 2 | 1 0 1        symmetric  2 1 0 | 0 1 2 | 2 1 0
    """
    if 0 <= position < size:
        return position
    if boundary == "constant":
        return None
    if size == 1:
        return 0
    if boundary == "edge":
        return 0 if position < 0 else size - 1
    if boundary == "wrap":
        return position % size
    if boundary == "reflect":
        period = 2 * size - 2
        return min(position % period, period - position % period)
    if boundary == "symmetric":
        period = 2 * size
        return min(position % period, period - 1 - position % period)
    raise AssertionError(f"unknown boundary {boundary!r}")


def per_axis(value: Any, count: int) -> tuple[Any, ...]:
    """One value for all convolved axes, or one for each."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * count


def align(a: np.ndarray, k: np.ndarray, axes: Any) -> tuple[np.ndarray, tuple[int, ...]]:
    """The kernel with the array's number of axes, axis above axis, and the convolved axes as given."""
    if axes is None:
        axes = tuple(range(a.ndim))
    axes = tuple(axis % a.ndim for axis in per_axis(axes, 1)) if a.ndim else ()
    if k.ndim == len(axes):
        k = k.transpose(sorted(range(k.ndim), key=lambda i: axes[i]))
        k = k.reshape([k.shape[sorted(axes).index(d)] if d in axes else 1 for d in range(a.ndim)])
    assert k.ndim == a.ndim, "the kernel has neither len(axes) nor a.ndim axes"
    return k, axes


def geometry(
    op: str,
    a: np.ndarray,
    k: np.ndarray,
    mode: str,
    axes: tuple[int, ...],
    boundary: Any,
    anchor: Any,
    stride: Any,
    dilation: Any,
) -> dict[int, Axis]:
    """An :class:`Axis` for every convolved axis of the array."""
    flip = op == "convolve"
    result = {}
    options = (per_axis(value, len(axes)) for value in (boundary, anchor, stride, dilation))
    for axis, word, tap, step, gap in zip(axes, *options, strict=True):
        size, taps = a.shape[axis], k.shape[axis]
        if mode == "full":
            centre, outputs = (0 if flip else taps - 1), size + gap * (taps - 1)
        elif mode == "valid":
            centre, outputs = (taps - 1 if flip else 0), size - gap * (taps - 1)
        else:
            centre, outputs = ((taps - 1) // 2 if flip else taps // 2), size
        if tap is not None:
            assert mode == "same"
            centre = tap
        assert outputs > 0, "the kernel does not fit"
        result[axis] = Axis(size, taps, centre, step, gap, word, flip, outputs=-(-outputs // step))
    return result


def output_shape(a: np.ndarray, k: np.ndarray, axes: dict[int, Axis]) -> tuple[int, ...]:
    batch = np.broadcast_shapes(
        *(tuple(1 if d in axes else n for d, n in enumerate(array.shape)) for array in (a, k))
    )
    return tuple(axes[d].outputs if d in axes else n for d, n in enumerate(batch))


def exact(value: Any) -> int | Fraction | float:
    """A real number as an integer or a fraction, both without error; an infinity or a NaN stays a float."""
    if isinstance(value, (int, np.integer, np.bool_, Fraction)):
        return value if isinstance(value, Fraction) else int(value)
    value = float(value)
    return Fraction(value) if math.isfinite(value) else value


def add(terms: list[Any]) -> Any:
    """The exact sum. Finite terms do not matter beside an infinity or a NaN, the only floats here."""
    special = [term for term in terms if isinstance(term, float)]
    return sum(special) if special else sum(terms, 0)


def reference(
    op: str,
    a: Any,
    k: Any,
    mode: str = "full",
    *,
    boundary: Any = "constant",
    fill_value: Any = 0,
    axes: Any = None,
    anchor: Any = None,
    stride: Any = 1,
    dilation: Any = 1,
) -> Exact:
    """``op`` ("convolve" or "correlate") by the definition, exactly, output by output and tap by tap."""
    a, k = as_array(a), as_array(k)
    k, order = align(a, k, axes)
    conv = geometry(op, a, k, mode, order, boundary, anchor, stride, dilation)
    shape = output_shape(a, k, conv)
    is_complex = any(is_complex_dtype(x) for x in (a, k, np.asarray(fill_value)))
    real, imag, magnitude = (np.empty(shape, object) for _ in range(3))
    taps = [range(conv[d].taps) if d in conv else range(1) for d in range(a.ndim)]
    for index in np.ndindex(*shape):
        re, im, size = [], [], []
        for tap in itertools.product(*taps):
            pair = meet(a, k, conv, index, tap, fill_value)
            if pair is None:
                continue
            (ar, ai), (kr, ki) = pair
            if op == "correlate":
                ki = -ki
            if is_complex:
                re += [ar * kr, -ai * ki]
                im += [ar * ki, ai * kr]
                size.append(exact(math.hypot(ar, ai)) * exact(math.hypot(kr, ki)))
            else:
                re.append(ar * kr)
                size.append(abs(ar) * abs(kr))
        real[index], imag[index], magnitude[index] = add(re), add(im), add(size)
    return Exact(real, imag if is_complex else None, magnitude, math.prod(map(len, taps)))


def meet(
    a: np.ndarray,
    k: np.ndarray,
    conv: dict[int, Axis],
    index: tuple[int, ...],
    tap: tuple[int, ...],
    fill_value: Any,
) -> tuple[Any, Any] | None:
    """The sample and the weight of one term, each as exact (real, imag); None when the term is absent."""
    source, column = [], []
    for d, (i, j) in enumerate(zip(index, tap, strict=True)):
        source.append(conv[d].source(i, j) if d in conv else min(i, a.shape[d] - 1))
        column.append(j if d in conv else min(i, k.shape[d] - 1))
    if None not in source:
        return parts(a[tuple(source)]), parts(k[tuple(column)])
    return None if fill_value == 0 else (parts(fill_value), parts(k[tuple(column)]))


def is_complex_dtype(x: np.ndarray) -> bool:
    return x.dtype.kind == "c"


def parts(value: Any) -> tuple[Any, Any]:
    """Exact real and imaginary part of a number."""
    return (exact(value.real), exact(value.imag)) if np.iscomplexobj(value) else (exact(value), 0)


def quick_reference(
    op: str,
    a: Any,
    k: Any,
    mode: str = "full",
    *,
    boundary: Any = "constant",
    fill_value: Any = 0,
    axes: Any = None,
    anchor: Any = None,
    stride: Any = 1,
    dilation: Any = 1,
    work: Any = None,
) -> Exact:
    """The same definition on arrays padded by ``numpy.pad``, one tap of all outputs at a time.

    ``work`` is the dtype of the sums. By default integers are Python's (exact), data of up to 24 significant
    bits works in float64, where a product of two float32 is exact, and the rest in longdouble.
    """
    a, k = as_array(a), as_array(k)
    k, order = align(a, k, axes)
    conv = geometry(op, a, k, mode, order, boundary, anchor, stride, dilation)
    work = np.dtype(work or working_dtype(a, k))
    values, present = a.astype(work), np.ones(a.shape, bool)
    for d, axis in conv.items():
        width = [(0, 0)] * d + [axis.reach()] + [(0, 0)] * (a.ndim - d - 1)
        if axis.boundary == "constant":
            values = np.pad(values, width, constant_values=np.array(fill_value, work))
            present = np.pad(present, width, constant_values=fill_value != 0)
        else:
            values, present = (np.pad(values, width, axis.boundary), np.pad(present, width, axis.boundary))
    weights = k.astype(work).conj() if op == "correlate" and is_complex_dtype(k) else k.astype(work)
    total = np.zeros(output_shape(a, k, conv), work)
    magnitude = abs(total)
    taps = [range(conv[d].taps) if d in conv else range(1) for d in range(a.ndim)]
    with np.errstate(all="ignore"):
        for tap in itertools.product(*taps):
            window, column = [], []
            for d, j in enumerate(tap):
                first = conv[d].position(0, j) + conv[d].reach()[0] if d in conv else 0
                step, count = (conv[d].stride, conv[d].outputs) if d in conv else (1, a.shape[d])
                window.append(slice(first, first + (count - 1) * step + 1, step))
                column.append(slice(j, j + 1) if d in conv else slice(None))
            term = values[tuple(window)] * weights[tuple(column)]
            term = np.where(present[tuple(window)], term, 0)
            total += term
            magnitude += abs(term)
    if work.kind == "c":
        return Exact(total.real, total.imag, magnitude, math.prod(map(len, taps)))
    return Exact(total, None, magnitude, math.prod(map(len, taps)))


def working_dtype(a: np.ndarray, k: np.ndarray) -> np.dtype:
    """Wide enough for :func:`quick_reference` that its own rounding does not matter."""
    if all(x.dtype.kind in "iub" for x in (a, k)):
        return np.dtype(object)
    narrow = all(
        x.dtype.itemsize <= (2 if x.dtype.kind in "iu" else 8 if x.dtype.kind == "c" else 4) for x in (a, k)
    )
    if any(is_complex_dtype(x) for x in (a, k)):
        return np.dtype(np.complex128 if narrow else np.clongdouble)
    return np.dtype(np.float64 if narrow else np.longdouble)
