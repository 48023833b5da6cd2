"""Missing data by the definition: the oracle of `test_missing.py`.

With m = 1 where a sample is valid, also one made by a boundary, and 0 where it is missing

    N = Σ k m a    μ = Σ|k| m a / Σ|k| m    y = N + μ Σ k (1 − m)    weight = Σ|k| m / Σ|k|

and the promise, with B the factor of the promise on complete data and S = Σ|k| m |a|:

    |error of y| ≤ 3 (B + 3) u S / weight          B u S where nothing is missing
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from checks import SINGLE, as_float, promise
from reference import Exact, align, as_array, exact, geometry, meet, output_shape, parts, quick_reference


class Want:
    """What a call with missing data should give. ``weight`` is exact where it is 0 or 1."""

    def __init__(self, y: Exact, weight: np.ndarray, reach: np.ndarray) -> None:
        self.y = y  # its magnitude is S / weight, or S where nothing is missing
        self.weight = weight
        self.reach = reach  # Σ|k| / weight, for what transforms owe


def by_definition(op: str, a: Any, mask: Any, k: Any, mode: str = "full", **options: Any) -> Want:
    """Output by output and tap by tap, in fractions."""
    a, k = as_array(a), as_array(k)
    mask = np.broadcast_to(mask, a.shape)
    k, order = align(a, k, options.get("axes"))
    conv = geometry(
        op, a, k, mode, order, options.get("boundary", "constant"), options.get("anchor"),
        options.get("stride", 1), options.get("dilation", 1),
    )  # fmt: skip
    fill = parts(options.get("fill_value", 0))
    shape = output_shape(a, k, conv)
    real, imag, size, weight, reach = (np.empty(shape, object) for _ in range(5))
    taps = [range(conv[d].taps) if d in conv else range(1) for d in range(a.ndim)]
    for index in np.ndindex(*shape):
        terms = []
        for tap in itertools.product(*taps):
            (gone, _), weights = meet(mask + 2, k, conv, index, tap, 2)  # 3: missing, 2: valid or outside
            pair = meet(a, k, conv, index, tap, 0)
            sample = fill if pair is None else pair[0]
            terms.append((None if gone == 3 else sample, weights if op == "convolve" else conj(weights)))
        results = one_output(terms)
        real[index], imag[index], size[index], weight[index], reach[index] = results
    complex_ = any(x.dtype.kind == "c" for x in (a, k, np.asarray(options.get("fill_value", 0))))
    count = math.prod(map(len, taps))
    size = widened(size, weight, count * (2 if complex_ else 1), single(a, k))
    return Want(Exact(real, imag if complex_ else None, size, count), weight, reach)


def one_output(terms: list[tuple[Any, Any]]) -> tuple[Any, Any, Any, Any, Any]:
    """Real and imaginary part, S, the weight and Σ|k|/weight."""
    sizes = [exact(math.hypot(*k)) if k[1] else abs(k[0]) for _, k in terms]
    total = sum(sizes)
    met = sum(size for (a, _), size in zip(terms, sizes, strict=True) if a is not None)
    valid = [(a, k, size) for (a, k), size in zip(terms, sizes, strict=True) if a is not None]
    re = sum(a[0] * k[0] - a[1] * k[1] for a, k, _ in valid)
    im = sum(a[0] * k[1] + a[1] * k[0] for a, k, _ in valid)
    size = sum(exact(math.hypot(*a)) * s for a, _, s in valid)
    if met == total:
        return re, im, size, 1, total
    if met == 0:
        return math.nan, math.nan, math.nan, 0, math.nan
    lost = [k for a, k in terms if a is None]
    moved = sum(k[0] for k in lost), sum(k[1] for k in lost)
    mean = [sum(a[part] * s for a, _, s in valid) / Fraction(met) for part in (0, 1)]
    re += mean[0] * moved[0] - mean[1] * moved[1]
    im += mean[0] * moved[1] + mean[1] * moved[0]
    return re, im, size, Fraction(met) / Fraction(total), total * Fraction(total) / Fraction(met)


def conj(z: tuple[Any, Any]) -> tuple[Any, Any]:
    return z[0], -z[1]


def by_numpy(op: str, a: Any, mask: Any, k: Any, mode: str = "full", **options: Any) -> Want:
    """The same with NumPy in longdouble, for arrays too large for pure Python."""
    a, k = as_array(a), as_array(k)
    complex_ = any(x.dtype.kind == "c" for x in (a, k))
    work = np.clongdouble if complex_ else np.longdouble
    mask = np.broadcast_to(mask, a.shape)
    values, k = np.where(mask, 0, a.astype(work)), k.astype(work)
    sizes, ends = abs(k), {**options, "fill_value": 0}

    def exactly(samples: Any, taps: Any, given: dict[str, Any]) -> Exact:
        return quick_reference(op, samples, taps, mode, work=work, **given)

    def sums(*operands: Any) -> np.ndarray:
        found = exactly(*operands)
        return found.real + (1j * found.imag if complex_ else 0)

    y, sizes_of_y = sums(values, k, options), exactly(values, k, options)
    gone = sums(mask, sizes, ends).real
    met = sums(~mask, sizes, {**options, "fill_value": 1}).real
    total = np.where(gone == 0, met, met + gone)
    with np.errstate(all="ignore"):
        rest = sums(values, sizes, options) / met * sums(mask, k, ends)
        y = np.where(gone == 0, y, np.where(met == 0, np.nan, y + rest))
        weight = np.where(gone == 0, 1, met / np.where(total == 0, 1, total))
        reach = total / weight
    taps = sizes_of_y.taps
    size = widened(sizes_of_y.magnitude, weight, taps * (2 if complex_ else 1), single(a, k))
    return Want(Exact(y.real, y.imag if complex_ else None, size, taps), weight, reach)


def single(*operands: np.ndarray) -> bool:
    """Whether sums may be taken in float32: an upper bound of what subnormals cost must know."""
    return any(x.dtype in SINGLE for x in operands)


def widened(size: np.ndarray, weight: np.ndarray, terms: int, is_single: bool) -> np.ndarray:
    """What to multiply with B u for the promise: S, or 3 (1 + 3 / B) S / weight where samples are missing."""
    size, weight = as_float(size), as_float(weight)
    tiny = np.ldexp(np.longdouble(terms), -125 if is_single else -1021)
    with np.errstate(divide="ignore", invalid="ignore"):
        magnified = 3 * (1 + 3 / promise(terms)) * (size + tiny) / weight
    return np.where(weight == 1, size, np.where(weight == 0, np.longdouble(np.nan), magnified))
