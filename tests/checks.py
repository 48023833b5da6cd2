"""Comparing a result with the oracle: exactly for integers, within the promise for floats.

The promise at every single output, for n terms, unit roundoff u and S = Σ|a|·|k|:

    |error| ≤ (1.1·min(n, 256) + ⌈n/256⌉ + 20)·u·S      complex terms count double
            + n·(half the smallest subnormal)            gradual underflow of the products
            + half an ulp of the result                  only for the 16-bit floats, at the store
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import faltung as fl
from grids import BFLOAT16
from reference import Exact, as_array, exact, quick_reference, reference

DEFINITION = ("boundary", "fill_value", "axes", "anchor", "stride", "dilation")
KINDS = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
SINGLE = (np.dtype(np.float16), BFLOAT16, np.dtype(np.float32), np.dtype(np.complex64))


def check(op: str, a: Any, k: Any, mode: str = "full", *, slack: float = 0.0, **options: Any) -> Any:
    """Run ``fl.<op>`` and compare dtype, shape and every output with the definition. Returns the result.

    ``slack`` is an error that the promise allows at every output beside its own.
    """
    want = oracle(op, a, k, mode, **options)
    dtype = np.dtype(options["dtype"] if options.get("dtype") is not None else expected_dtype(a, k))
    sums = summation_dtype(a, k, dtype)
    overflow = options.get("overflow", "raise")
    if dtype.kind in "iu" and overflow == "raise" and not fits(want, dtype, sums):
        with pytest.raises(OverflowError):
            getattr(fl, op)(a, k, mode, **options)
        return None
    got = getattr(fl, op)(a, k, mode, **options)
    compare(got, want, dtype, sums, overflow, slack)
    return got


def oracle(op: str, a: Any, k: Any, mode: str = "full", **options: Any) -> Exact:
    """The exact answer; by NumPy where pure Python would take too long."""
    definition = {name: options[name] for name in DEFINITION if name in options}
    a, k = numbers(a), numbers(k)
    define = reference if a.size * k.size <= 2000 else quick_reference
    return define(op, a, k, mode, **definition)


def compare(
    got: Any,
    want: Exact,
    dtype: np.dtype,
    sums: np.dtype | None = None,
    overflow: str = "raise",
    slack: float = 0.0,
) -> None:
    """Assert that ``got`` is what ``want`` says in the result dtype ``dtype``.

    ``sums`` is the dtype in which the terms were added: it decides how floats may round to an integer result.
    """
    assert got.dtype == dtype and got.dtype.isnative, f"result dtype {got.dtype}, expected {dtype}"
    assert got.shape == want.shape, f"result shape {got.shape}, expected {want.shape}"
    if dtype.kind in "iu":
        lower, upper = rounded(want, sums, slack)
        for index in np.ndindex(got.shape):
            if overflow == "wrap" and upper[index] - lower[index] >= 2 ** np.iinfo(dtype).bits:
                continue  # the promise leaves every residue open
            low, high = (store(edge[index], dtype, overflow) for edge in (lower, upper))
            value = int(got[index])
            inside = low <= value <= high if low <= high else not high < value < low
            assert inside, f"at {index}: got {value}, expected {low}" + (f" to {high}" if high != low else "")
    else:
        assert_keeps_promise(np.asarray(got), want, slack)


def store(value: int, dtype: np.dtype, overflow: str) -> int:
    """An exact integer as ``overflow`` stores it."""
    info = np.iinfo(dtype)
    if overflow == "saturate":
        return min(max(value, int(info.min)), int(info.max))
    if overflow == "wrap":
        return (value - int(info.min)) % 2**info.bits + int(info.min)
    return value


def rounded(want: Exact, sums: np.dtype, more: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The integers, half to even, that sums within the promise round to: the lowest and the highest."""
    if sums.kind in "iub":
        return want.real, want.real
    slack = allowance(want, sums) + more
    ends = []
    for sign in (-1, 1):
        values = [round(exact(v) + sign * exact(e)) for v, e in zip(want.real.flat, slack.flat, strict=True)]
        ends.append(np.array(values, object).reshape(want.shape))
    return ends[0], ends[1]


def fits(want: Exact, dtype: np.dtype, sums: np.dtype) -> bool:
    """Whether every output lies inside an integer dtype."""
    lower, upper = rounded(want, sums)
    info = np.iinfo(dtype)
    return all(info.min <= v <= info.max for v in (*lower.flat, *upper.flat))


def promise(terms: int) -> float:
    """The factor of u·S."""
    return 1.1 * min(terms, 256) + math.ceil(terms / 256) + 20


def allowance(want: Exact, dtype: np.dtype) -> np.ndarray:
    """The largest error that the promise allows at each output, before the store of a 16-bit float."""
    single = dtype in SINGLE
    terms = want.taps * (2 if want.imag is not None else 1)
    scale = as_float(want.magnitude)
    subnormal = np.ldexp(np.longdouble(1), -150 if single else -1075)
    return promise(terms) * np.ldexp(scale, -24 if single else -53) + terms * subnormal


def assert_keeps_promise(got: np.ndarray, want: Exact, slack: float = 0.0) -> None:
    """Every output within the promise; infinities and NaN exactly where the definition has them.

    Nothing is promised where S itself overflows the type of the sums.
    """
    dtype = got.dtype
    if dtype.kind == "c" and want.imag is None:
        want = Exact(want.real, np.zeros_like(want.real), want.magnitude, want.taps)
    limit = allowance(want, dtype) + np.longdouble(slack)
    exact_size = (
        np.hypot(as_float(want.real), as_float(want.imag))
        if want.imag is not None
        else abs(as_float(want.real))
    )
    if dtype in SINGLE[:2]:
        limit = limit + half_ulp(exact_size + limit, dtype)
    if want.imag is None:
        error = absolute_error(got, want.real)
        with np.errstate(over="ignore"):
            stored = as_float(want.real).astype(dtype)
        same = (got == stored) | (np.isnan(got) & np.isnan(stored))
        # An error that is allowed may lead past the largest number of a small type.
        same |= np.isinf(got) & (np.sign(got) * as_float(want.real) + limit >= largest(dtype))
    else:
        error = np.hypot(absolute_error(got.real, want.real), absolute_error(got.imag, want.imag))
        same = ~np.isfinite(got)
    special = ~np.isfinite(exact_size)
    overflows = exact_size + limit >= largest(dtype)
    open_end = as_float(want.magnitude) >= np.finfo(np.float32 if dtype in SINGLE else np.float64).max
    good = np.where(special, same, (error <= limit) | (overflows & same) | open_end)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        units = error[index] / limit[index] if np.isfinite(error[index]) else np.nan
        raise AssertionError(
            f"{np.count_nonzero(~good)} of {got.size} outputs break the promise: at {index} {got[index]}, "
            f"exact {want.real[index]} + {want.imag[index] if want.imag is not None else 0}j, "
            f"error {error[index]} = {units:.3g} times what is allowed"
        )


def absolute_error(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """|got − want| as longdouble; NaN where either is not finite."""
    if want.dtype != object:
        with np.errstate(invalid="ignore"):
            error = abs(got.astype(np.longdouble) - want)
        return np.where(np.isfinite(got) & np.isfinite(want), error, np.nan)
    error = np.full(got.shape, np.longdouble(np.nan))
    for index in np.ndindex(got.shape):
        value, target = exact(got[index]), want[index]
        if not isinstance(value, float) and not isinstance(target, float):
            error[index] = to_longdouble(abs(value - target))
    return error


def as_float(values: np.ndarray) -> np.ndarray:
    """Longdoubles, also of fractions."""
    if values.dtype != object:
        return values.astype(np.longdouble)
    flat = [to_longdouble(value) for value in values.flat]
    return np.array(flat, np.longdouble).reshape(values.shape)


def to_longdouble(value: Any) -> np.longdouble:
    if isinstance(value, Fraction) and value:
        shift = value.numerator.bit_length() - value.denominator.bit_length()
        return np.ldexp(np.longdouble(float(value / Fraction(2) ** shift)), shift)
    return np.longdouble(value)


def half_ulp(size: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Half the distance of neighbours of ``dtype`` at magnitude ``size``."""
    digits, lowest = (11, -14) if dtype == np.float16 else (8, -126)
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(size > 0, np.floor(np.log2(size)), lowest)
    exponent = np.where(np.isfinite(exponent), np.maximum(exponent, lowest), lowest)
    return np.ldexp(np.longdouble(1), (exponent - digits).astype(int))


def largest(dtype: np.dtype) -> np.longdouble:
    """From this magnitude on a result may round to infinity."""
    single = {np.dtype(np.float16): 65520.0, BFLOAT16: float.fromhex("0x1.ffp127")}
    return np.longdouble(single[dtype]) if dtype in single else np.longdouble(np.finfo(dtype).max)


def expected_dtype(a: Any, k: Any) -> np.dtype:
    """NumPy's promotion of the arrays; of lists, scalars and kernels only the kind counts."""
    strong = [np.dtype(x.dtype).newbyteorder("=") for x in (a, k) if not is_weak(x)]
    base = np.result_type(*strong) if strong else np.dtype(bool)
    weak = max((KINDS[numbers(x).dtype.kind] for x in (a, k) if is_weak(x)), default=0)
    if weak > KINDS.get(base.kind, KINDS["f"]):
        narrow = weak == KINDS["c"] and base in SINGLE
        base = np.dtype({1: np.int64, 2: np.float64, 3: np.complex64 if narrow else np.complex128}[weak])
    return np.dtype(np.int64) if base.kind == "b" else base


def summation_dtype(a: Any, k: Any, result: np.dtype | None = None) -> np.dtype:
    """An integer dtype stands for exact; pairs without a common dtype sum in float32 at least.

    What is rounded to an integer of at most 16 bits is summed in float32, unless an operand says otherwise.
    """
    try:
        natural = expected_dtype(a, k)
    except np.exceptions.DTypePromotionError:
        return np.dtype(np.float32)
    small = all(is_weak(x) or x.dtype.itemsize <= (2 if x.dtype.kind in "biu" else 4) for x in (a, k))
    if natural == np.float64 and small and result is not None and result.kind in "iu" and result.itemsize < 3:
        return np.dtype(np.float32)
    return natural


def numbers(x: Any) -> np.ndarray:
    """The numbers of an argument: of a Kernel its taps, whole where they are whole."""
    return x.taps if isinstance(x, fl.kernels.Kernel) else as_array(x)


def is_weak(x: Any) -> bool:
    """Python's scalars and lists and what ``fl.kernels`` returns; NumPy's scalars are arrays."""
    kinds = (bool, int, float, complex, list, tuple, fl.kernels.Kernel)
    return isinstance(x, kinds) and not isinstance(x, np.generic)
