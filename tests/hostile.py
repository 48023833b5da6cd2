"""Data made to break a bound on the error, and how a method is held to the bound on them.

Every case attacks something: chains of rounded additions (constant, alternating), errors relative to the
array instead of the window (spikes, decades) or to a term instead of the sum (cancellation), transforms that
mix blocks (steps), flushed or lost small numbers (subnormal, mixed, small), intermediates that overflow
before the result does (large).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import faltung as fl
from checks import DEFINITION, absolute_error, as_float, oracle

METHODS = ("direct", "separable", "spectral", "reference")
CASES = (
    "spike", "huge spike", "cancellation", "decades", "constant", "alternating", "subnormal", "mixed",
    "steps", "small", "large",
)  # fmt: skip
KERNELS = (
    "random", "spike", "cancellation", "decades", "constant", "alternating", "subnormal", "small", "large",
)  # fmt: skip
PRODUCTS = ("product", "product of decades", "small product", "large product")


def smallest(dtype: Any) -> float:
    """The least positive number of a float dtype."""
    return 2.0 ** {"float16": -24, "bfloat16": -133, "float32": -149, "float64": -1074}[np.dtype(dtype).name]


def largest(dtype: Any) -> float:
    """About the greatest number of a float dtype: a power of two."""
    return 2.0 ** {"float16": 15, "bfloat16": 127, "float32": 127, "float64": 1023}[np.dtype(dtype).name]


def hostile(case: str, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Data of one of the cases; complex data has it in both parts."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        part = np.float32 if dtype.itemsize == 8 else np.float64
        return (hostile(case, rng, shape, part) + 1j * hostile(case, rng, shape, part)).astype(dtype)
    if "product" in case:
        return product(case, rng, shape, dtype)
    narrow = dtype == np.float16
    tiny, top = smallest(dtype), largest(dtype)
    x = rng.standard_normal(shape)
    signs = (-1.0) ** np.indices(shape).sum(axis=0)
    if "spike" in case:
        x.flat[x.size // 2] = 3e4 if narrow else 1e30 if case == "huge spike" else 1e8
    elif case == "cancellation":
        x += signs * (1e3 if narrow else 1e6)
    elif case == "decades":
        x = np.sign(x) * 10 ** rng.uniform(*((-5, 1) if narrow else (-23, 17)), shape)
    elif case == "constant":
        x = np.full(shape, 1 / 3)
    elif case == "alternating":
        x = signs / 10
    elif case == "subnormal":
        x = np.ldexp(rng.integers(-127, 128, shape).astype(float), int(np.log2(tiny)))
    elif case == "mixed":
        x = np.where(rng.random(shape) < 0.5, x, 10 * x * tiny)
    elif case == "steps":  # loud and quiet stretches along the last axis
        edges = np.sort(rng.integers(0, shape[-1] + 1, 5))
        level = rng.permutation(6)[np.searchsorted(edges, np.arange(shape[-1]), "right")]
        x = x * (10.0 ** (level - 3) if narrow else 10.0 ** (6 * level - 18))
    elif case == "small":  # just above the least normal number
        x = x * tiny * (2.0**8 if narrow else 2.0**23 if dtype.itemsize < 8 else 2.0**52)
    elif case == "large":  # sums of absolute products stay below the largest number, with taps of order 1
        x = np.clip(x, -4, 4) * (top / (64 * x.size))
    return x.astype(dtype)


def product(case: str, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A kernel that the separable method takes: a product of vectors of few digits, exact in float32."""
    taps = np.ones(())
    for n in shape:
        factor = rng.integers(1, 8, n) * rng.choice([-1.0, 1.0], n)
        if case == "product of decades":
            factor = np.ldexp(factor, rng.integers(-5, 6, n))
        taps = np.multiply.outer(taps, factor)
    if case == "large product":
        taps = taps * (largest(dtype) / 2.0 ** np.ceil(np.log2(64 * abs(taps).sum())))
    elif case == "small product":
        taps = taps * smallest(dtype) * 2.0**13
    return taps.astype(dtype)


def planned(op: str, a: np.ndarray, k: Any, mode: str, method: str, **options: Any) -> Any:
    """A plan by this method, or None where the method refuses."""
    try:
        return getattr(fl, f"plan_{op}")(a.shape, k, mode, dtype=a.dtype, method=method, **options)
    except fl.FaltungError as refusal:
        if f"`method` (={method!r})" not in str(refusal):
            raise
        return None


def stays_within(op: str, a: np.ndarray, k: np.ndarray, mode: str, method: str, **options: Any) -> bool:
    """Whether the method runs; then every output must lie within ``plan.error_bound``.

    Where the definition gives an infinity or a NaN the method must give the same, and where the bound is
    infinite nothing is asked.
    """
    plan = planned(op, a, k, mode, method, **options)
    if plan is None:
        return False
    assert plan.method == method
    got, bound = plan(a), plan.error_bound(a)
    want = oracle(op, a, k, mode, **{name: options[name] for name in DEFINITION if name in options})
    error, exact = distance(got, want)
    special = ~np.isfinite(exact)
    same = ~np.isfinite(got) if got.dtype.kind == "c" else (got == exact) | (np.isnan(got) & np.isnan(exact))
    good = np.where(special, same, (error <= bound) | np.isinf(bound))
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        raise AssertionError(
            f"{method}, block {plan.block}: {np.count_nonzero(~good)} of {got.size} outputs; at {index} "
            f"{got[index]} instead of {exact[index]}, error {error[index]} beyond {bound[index]}"
        )
    return True


def distance(got: np.ndarray, want: Any) -> tuple[np.ndarray, np.ndarray]:
    """|error| of every output, NaN where it is not finite, and the exact values in longdouble."""
    imag = np.zeros_like(want.real) if want.imag is None else want.imag
    if got.dtype.kind != "c":
        return absolute_error(got, want.real), as_float(want.real)
    error = np.hypot(absolute_error(got.real, want.real), absolute_error(got.imag, imag))
    return error, as_float(want.real) + 1j * as_float(imag)


# ---- the exact error of long sums


def exact_errors(got: np.ndarray, a: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|error| and S for every output of a valid correlation of float32 or float64 data, without rounding.

    Products become two floats that sum to them exactly; ``math.fsum`` adds without error.
    """
    errors, sizes = np.empty(got.shape), np.empty(got.shape)
    weights = k.astype(float).ravel()
    for index in np.ndindex(got.shape):
        window = a[tuple(slice(i, i + n) for i, n in zip(index, k.shape, strict=True))].astype(float).ravel()
        product, rest = two_product(window, weights)
        errors[index] = abs(math.fsum([*product.tolist(), *rest.tolist(), -float(got[index])]))
        sizes[index] = math.fsum(abs(product))
    return errors, sizes


def two_product(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products, and what their rounding lost (Veltkamp, Dekker)."""
    product = x * y
    x_high, y_high = (v * 134217729.0 - (v * 134217729.0 - v) for v in (x, y))
    x_low, y_low = x - x_high, y - y_high
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
