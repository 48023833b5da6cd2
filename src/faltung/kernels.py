"""Kernels as impulse responses for `convolve`: small arrays of taps whose data type never decides a result's.

A derivative kernel answers positively where the signal rises: its taps are [1, 0, -1], which convolution
flips. For `correlate`, flip them yourself. Kernels with whole taps keep them as integers, so that filtering
an integer image with them stays exact and integer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ._errors import FaltungValueError
from ._kernel import Kernel as Kernel
from ._kernel import Taps, outer
from ._normalize import PerAxis, RealPerAxis, normalize_int, normalize_per_axis, normalize_reals, rank_of


def gaussian(
    sigma: RealPerAxis,
    *,
    ndim: SupportsIndex | None = None,
    order: PerAxis = 0,
    truncate: SupportsFloat = 4.0,
) -> Kernel:
    r"""Sampled Gaussian, or one of its derivatives.

    On each axis, with radius :math:`r = \lfloor t\sigma + 1/2 \rfloor`,

    .. math:: k[x] = \frac{e^{-x^2 / 2\sigma^2}}{\sum_{j=-r}^{r} e^{-j^2 / 2\sigma^2}}, \qquad -r \le x \le r,

    and for order n the n-th derivative of that function, :math:`(-1)^n He_n(x/\sigma)\,\sigma^{-n}\,k[x]`.

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation in samples; one number, or one an axis. 0 leaves an axis as it is.
    ndim : int, optional
        Number of axes; by default that of the sequences, or 2.
    order : int or sequence of int
        Derivative along each axis; 0 smooths.
    truncate : float
        Radius in standard deviations (t above).

    Returns
    -------
    Kernel
        float64 taps of shape (2r + 1, ...), with their factors. Order 0 sums to 1.

    Raises
    ------
    FaltungValueError
        A number is negative or not finite, or an axis of order > 0 has no width.

    Notes
    -----
    The taps are those of `scipy.ndimage.gaussian_filter`.

    References
    ----------
    B. M. ter Haar Romeny, "Front-End Vision and Multi-Scale Image Analysis", Springer 2003, chapter 4.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.gaussian(0.5, ndim=1)
    Kernel([2.6387e-04, 1.0645e-01, 7.8657e-01, 1.0645e-01, 2.6387e-04])
    >>> fl.kernels.gaussian((1, 2)).shape
    (9, 17)
    """
    rank = rank_of(2, sigma=sigma, order=order) if ndim is None else normalize_int("ndim", ndim, 1)
    widths = normalize_reals("sigma", sigma, rank)
    orders = normalize_per_axis("order", order, rank, 0)
    (reach,) = normalize_reals("truncate", truncate, 1)
    return _separable([_gaussian_taps(width, n, reach) for width, n in zip(widths, orders, strict=True)])


def box(size: PerAxis, *, ndim: SupportsIndex | None = None) -> Kernel:
    r"""Mean over a box: every tap is :math:`1 / \prod_i K_i`.

    Parameters
    ----------
    size : int or sequence of int
        Taps K along each axis; one number, or one an axis.
    ndim : int, optional
        Number of axes; by default that of the sequence, or 2.

    Returns
    -------
    Kernel
        float64 taps of shape `size`, with their factors.

    Raises
    ------
    FaltungValueError
        A size is less than 1.

    References
    ----------
    M. J. McDonnell, "Box-filtering techniques", Computer Graphics and Image Processing 17 (1981).

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.box(2)
    Kernel([[0.25, 0.25],
            [0.25, 0.25]], separable)
    """
    rank = rank_of(2, size=size) if ndim is None else normalize_int("ndim", ndim, 1)
    sizes = normalize_per_axis("size", size, rank, 1)
    taps = np.full(sizes, 1 / math.prod(sizes))
    return Kernel(taps, tuple(np.full(n, 1 / n) for n in sizes))


def sobel(axis: SupportsIndex, *, ndim: SupportsIndex = 2) -> Kernel:
    r"""Sobel's derivative along one axis, smoothed along the others.

    The outer product of [1, 0, -1] along `axis` and [1, 2, 1] along every other axis. A ramp that rises by 1
    a sample answers with :math:`2 \cdot 4^{n-1}` in n axes: 8 in an image.

    Parameters
    ----------
    axis : int
        The axis of the derivative; in an image 0 looks down the rows and 1 along them.
    ndim : int
        Number of axes.

    Returns
    -------
    Kernel
        int64 taps of shape (3,) * ndim, with their factors.

    Raises
    ------
    FaltungValueError
        There is no such axis.

    References
    ----------
    I. Sobel, G. Feldman, "A 3x3 isotropic gradient operator for image processing" (1968).

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.sobel(0)
    Kernel([[ 1,  2,  1],
            [ 0,  0,  0],
            [-1, -2, -1]], separable)
    >>> fl.convolve([[0, 1, 2]] * 3, fl.kernels.sobel(1), "valid")
    array([[8]])
    """
    rank = normalize_int("ndim", ndim, 1)
    along = normalize_int("axis", axis, -rank)
    if along >= rank:
        raise FaltungValueError(f"`axis` (={along}) must be less than `ndim` (={rank}).")
    factors = [np.array([1, 2, 1])] * rank
    factors[along] = np.array([1, 0, -1])
    return _separable(factors)


def laplacian(ndim: SupportsIndex = 2) -> Kernel:
    """Sum of the second differences [1, -2, 1] along every axis.

    Parameters
    ----------
    ndim : int
        Number of axes.

    Returns
    -------
    Kernel
        int64 taps of shape (3,) * ndim.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.laplacian()
    Kernel([[ 0,  1,  0],
            [ 1, -4,  1],
            [ 0,  1,  0]])
    """
    return Kernel(_laplacian_taps(normalize_int("ndim", ndim, 1)))


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
    return Kernel(_identity_taps(rank) - _strength(amount) * _laplacian_taps(rank))


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
    return Kernel(_identity_taps(2) + _strength(amount) * slope)


def _gaussian_taps(sigma: float, order: int, truncate: float) -> NDArray[np.float64]:
    """One axis: the normalized samples times the Hermite polynomial of the derivative."""
    radius = int(truncate * sigma + 0.5)
    if radius == 0 and order:
        raise FaltungValueError(
            f"`order` (={order}) needs more than the one tap that `sigma` (={sigma:g}) and `truncate` "
            f"(={truncate:g}) leave; use a larger sigma."
        )
    if radius == 0:
        return np.ones(1)
    t = np.arange(-radius, radius + 1) / sigma
    bell = np.exp(-0.5 * t * t)
    previous, hermite = np.zeros_like(t), np.ones_like(t)
    for n in range(order):
        previous, hermite = hermite, t * hermite - n * previous
    taps: NDArray[np.float64] = bell / bell.sum() * hermite * (-1 / sigma) ** order
    return taps


def _separable(factors: Sequence[Taps]) -> Kernel:
    return Kernel(outer(factors), tuple(factors))


def _identity_taps(ndim: int) -> NDArray[np.int64]:
    taps = np.zeros((3,) * ndim, dtype=np.int64)
    taps[(1,) * ndim] = 1
    return taps


def _laplacian_taps(ndim: int) -> NDArray[np.int64]:
    taps = -2 * ndim * _identity_taps(ndim)
    for axis in range(ndim):
        for end in (0, 2):
            taps[tuple(end if other == axis else 1 for other in range(ndim))] = 1
    return taps


def _strength(amount: SupportsFloat) -> int | float:
    """`amount`, as an int where it is whole, so that taps stay integers."""
    (number,) = normalize_reals("amount", amount, 1, -math.inf)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
