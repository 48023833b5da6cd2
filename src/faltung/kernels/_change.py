"""Kernels from kernels: scaled to a sum, an energy or a peak of 1, and flipped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from faltung._errors import FaltungValueError
from faltung._kernel import Kernel, Separable, Taps
from faltung._normalize import PerAxis, normalize_per_axis

_MEASURES: dict[str, Callable[[Taps], float]] = {
    "sum": lambda taps: float(taps.sum()),
    "abs": lambda taps: float(np.abs(taps).sum()),
    "energy": lambda taps: float(np.sqrt((taps * taps).sum())),
    "peak": lambda taps: float(np.abs(taps).max()),
}


def as_kernel(k: Kernel | ArrayLike) -> Kernel:
    """`k` itself, or the kernel of these taps."""
    return k if isinstance(k, Kernel) else Kernel(k)


def normalize(k: Kernel | ArrayLike, how: str = "sum") -> Kernel:
    r"""Divide a kernel by the sum of its taps, or by another measure of it.

    Parameters
    ----------
    k : Kernel or array_like
        Real taps.
    how : {"sum", "abs", "energy", "peak"}
        What becomes 1. sum: :math:`\sum k`, so that a constant stays as it is; abs: :math:`\sum |k|`, so that
        no output exceeds the largest sample; energy: :math:`\sqrt{\sum k^2}`, so that white noise keeps its
        standard deviation; peak: :math:`\max |k|`.

    Returns
    -------
    Kernel
        float64 taps, and the factors if they were known.

    Raises
    ------
    FaltungValueError
        `how` is another word, a tap is not finite, or the measure is 0.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.5.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.normalize([1, 2, 1])
    Kernel([0.25, 0.5 , 0.25])
    >>> fl.kernels.normalize(fl.kernels.sobel(1), "abs")
    Kernel([[ 0.125,  0.   , -0.125],
            [ 0.25 ,  0.   , -0.25 ],
            [ 0.125,  0.   , -0.125]], separable)
    """
    if how not in _MEASURES:
        raise FaltungValueError(f"`how` (={how!r}) must be one of {', '.join(map(repr, _MEASURES))}.")
    kernel = as_kernel(k)
    parts = kernel.factors or (kernel.taps,)
    scaled = tuple(_scaled(part, how) for part in parts)
    return Kernel(scaled[0]) if kernel.factors is None else Separable(*scaled)


def flip(k: Kernel | ArrayLike, axes: PerAxis | None = None) -> Kernel:
    """Reverse a kernel: `convolve` with one is `correlate` with the other.

    Parameters
    ----------
    k : Kernel or array_like
        Real taps.
    axes : int or sequence of int, optional
        Axes to reverse; all by default.

    Returns
    -------
    Kernel
        The taps in reverse, and the factors if they were known.

    Raises
    ------
    FaltungValueError
        There is no such axis.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.flip(fl.kernels.sobel(1))
    Kernel([[-1,  0,  1],
            [-2,  0,  2],
            [-1,  0,  1]], separable)
    >>> fl.kernels.flip([1, 2, 3])
    Kernel([3, 2, 1])
    """
    kernel = as_kernel(k)
    rank = kernel.ndim
    count = rank if axes is None else len(axes) if isinstance(axes, (tuple, list)) else 1
    chosen = range(rank) if axes is None else normalize_per_axis("axes", axes, count, -rank)
    if max(chosen, default=0) >= rank:
        raise FaltungValueError(f"`axes` (={axes!r}) must be less than the {rank} axes of `k`.")
    at = {axis % rank for axis in chosen}
    if kernel.factors is not None:
        return Separable(*[f[::-1] if axis in at else f for axis, f in enumerate(kernel.factors)])
    return Kernel(np.flip(kernel.taps, tuple(at)))


def _scaled(taps: Taps, how: str) -> Taps:
    """Taps over their measure, by way of a peak of 1, where squares neither overflow nor vanish."""
    size = np.abs(taps.astype(np.float64))
    if not np.isfinite(size).all():
        raise FaltungValueError("`k` must have finite taps to be normalized.")
    unit = taps / size.max() if size.any() else taps.astype(np.float64)
    measure = _MEASURES[how](unit)
    if abs(measure) <= taps.size * 2.0**-53 * np.abs(unit).sum():
        raise FaltungValueError(
            f"`k` cannot be normalized by `how` (={how!r}), which is 0 for these taps"
            + ("; use 'abs' for a kernel that answers to changes only." if size.any() else ".")
        )
    return unit / measure
