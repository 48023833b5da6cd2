"""Kernels that leave flat areas and change edges: the identity, and something whose taps sum to 0."""

from __future__ import annotations

import math
from typing import SupportsFloat, SupportsIndex

import numpy as np

from faltung._kernel import Kernel
from faltung._normalize import PerAxis, RealPerAxis, normalize_int, normalize_reals
from faltung.kernels._derivative import identity_taps, laplacian_taps
from faltung.kernels._gaussian import gaussian


def sharpen(amount: SupportsFloat = 1, *, ndim: SupportsIndex = 2) -> Kernel:
    """Identity minus `amount` times the Laplacian: edges are steepened, flat areas stay.

    Parameters
    ----------
    amount : float
        Strength; 0 changes nothing. A whole number gives whole taps.
    ndim : int
        Number of axes.

    Returns
    -------
    Kernel
        int64 taps if `amount` is whole, else float64, of shape (3,) * ndim; they sum to 1.

    Raises
    ------
    FaltungValueError
        `amount` is not finite.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.sharpen()
    Kernel([[ 0, -1,  0],
            [-1,  5, -1],
            [ 0, -1,  0]])
    """
    rank = normalize_int("ndim", ndim, 1)
    return Kernel(identity_taps((3,) * rank) - _strength(amount) * laplacian_taps(rank))


def unsharp(
    sigma: RealPerAxis,
    amount: SupportsFloat = 1,
    *,
    ndim: SupportsIndex | None = None,
    truncate: SupportsFloat = 4.0,
    radius: PerAxis | None = None,
) -> Kernel:
    r"""Unsharp mask: what a Gaussian takes away is added once more, times `amount`.

    .. math:: k = \delta + \alpha\, (\delta - g_\sigma)

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation of the Gaussian in samples; one number, or one an axis.
    amount : float
        Strength (alpha above); 0 changes nothing.
    ndim : int, optional
        Number of axes; by default that of the sequences, or 2.
    truncate : float
        Radius in standard deviations.
    radius : int or sequence of int, optional
        Radius in samples, instead of `truncate`.

    Returns
    -------
    Kernel
        float64 taps in the shape of `gaussian`; they sum to 1.

    Raises
    ------
    FaltungValueError
        A number is negative or not finite.

    Notes
    -----
    In an image it is the sum of two outer products, so that it runs axis by axis.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.unsharp(0.5, ndim=1)
    Kernel([-2.6387e-04, -1.0645e-01,  1.2134e+00, -1.0645e-01, -2.6387e-04])
    """
    (number,) = normalize_reals("amount", amount, 1, -math.inf)
    blur = gaussian(sigma, ndim=ndim, truncate=truncate, radius=radius).taps
    middle = tuple(n // 2 for n in blur.shape)
    taps = -number * blur
    taps[middle] = 1 + number * (1 - blur[middle])
    return Kernel(taps)


def emboss(amount: SupportsFloat = 1) -> Kernel:
    """Identity plus `amount` times the slope towards the lower right: a relief lit from the upper left.

    Parameters
    ----------
    amount : float
        Depth of the relief. A whole number gives whole taps.

    Returns
    -------
    Kernel
        int64 taps if `amount` is whole, else float64, of shape (3, 3); they sum to 1.

    Raises
    ------
    FaltungValueError
        `amount` is not finite.

    References
    ----------
    "Kernel (image processing)" and "Image embossing", Wikipedia; this is the flip of the table that programs
    which correlate print.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.emboss()
    Kernel([[ 2,  1,  0],
            [ 1,  1, -1],
            [ 0, -1, -2]])
    """
    slope = np.array([[2, 1, 0], [1, 0, -1], [0, -1, -2]])
    return Kernel(identity_taps((3, 3)) + _strength(amount) * slope)


def _strength(amount: SupportsFloat) -> int | float:
    """`amount`, as an int where it is whole, so that taps stay integers."""
    (number,) = normalize_reals("amount", amount, 1, -math.inf)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
