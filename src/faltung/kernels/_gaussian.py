"""The Gaussian, its derivatives, and its Laplacian."""

from __future__ import annotations

from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from faltung._errors import FaltungValueError
from faltung._kernel import Kernel, Separable
from faltung._normalize import (
    PerAxis,
    RealPerAxis,
    normalize_int,
    normalize_per_axis,
    normalize_reals,
    rank_of,
)
from faltung._outer import outer


def gaussian(
    sigma: RealPerAxis,
    *,
    ndim: SupportsIndex | None = None,
    order: PerAxis = 0,
    truncate: SupportsFloat = 4.0,
    radius: PerAxis | None = None,
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
    radius : int or sequence of int, optional
        Radius in samples (r above), instead of `truncate`; an axis without width keeps its one tap.

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
    shape = _widths(sigma, ndim, truncate, radius, order=order)
    orders = normalize_per_axis("order", order, len(shape), 0)
    return Separable(*[_taps(width, reach, n) for (width, reach), n in zip(shape, orders, strict=True)])


def log(
    sigma: RealPerAxis,
    *,
    ndim: SupportsIndex | None = None,
    truncate: SupportsFloat = 4.0,
    radius: PerAxis | None = None,
) -> Kernel:
    r"""Laplacian of a Gaussian: the sum of its second derivatives along every axis.

    .. math:: k = \sum_i \frac{\partial^2 g_\sigma}{\partial x_i^2}

    with the Gaussian of `gaussian`. Negative at a bright spot, zero where the slope is steepest.

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation in samples, above 0; one number, or one an axis.
    ndim : int, optional
        Number of axes; by default that of the sequences, or 2.
    truncate : float
        Radius in standard deviations.
    radius : int or sequence of int, optional
        Radius in samples, instead of `truncate`.

    Returns
    -------
    Kernel
        float64 taps in the shape of `gaussian`.

    Raises
    ------
    FaltungValueError
        A number is negative or not finite, or an axis has only one tap.

    Notes
    -----
    The taps are those of `scipy.ndimage.gaussian_laplace`. They sum to nearly 0, not exactly: a Gaussian
    that ends somewhere has a second derivative whose sum is the slope at its ends.

    References
    ----------
    D. Marr, E. Hildreth, "Theory of edge detection", Proceedings of the Royal Society B 207 (1980).

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.log(0.6, ndim=1)
    Kernel([ 0.0721,  0.8174, -1.8439,  0.8174,  0.0721])
    """
    shape = _widths(sigma, ndim, truncate, radius)
    bells = [_taps(*axis, 0) for axis in shape]
    terms = [
        [_taps(*axis, 2) if at == along else bells[at] for at, axis in enumerate(shape)]
        for along in range(len(shape))
    ]
    return Kernel(np.sum([outer(term) for term in terms], axis=0))


def _widths(
    sigma: RealPerAxis,
    ndim: SupportsIndex | None,
    truncate: SupportsFloat,
    radius: PerAxis | None,
    **others: object,
) -> list[tuple[float, int]]:
    """Standard deviation and radius along each axis."""
    rank = (
        rank_of(2, sigma=sigma, **others, radius=radius) if ndim is None else normalize_int("ndim", ndim, 1)
    )
    widths = normalize_reals("sigma", sigma, rank)
    if radius is None:
        (reach,) = normalize_reals("truncate", truncate, 1)
        return [(width, int(reach * width + 0.5)) for width in widths]
    reaches = normalize_per_axis("radius", radius, rank, 0)
    return [(width, reach if width else 0) for width, reach in zip(widths, reaches, strict=True)]


def _taps(sigma: float, radius: int, order: int) -> NDArray[np.float64]:
    """One axis: the normalized samples times the Hermite polynomial of the derivative."""
    if radius == 0 and order:
        raise FaltungValueError(
            f"`sigma` (={sigma:g}) leaves one tap, but a derivative of order {order} needs more; use a "
            "larger sigma or radius."
        )
    if radius == 0:
        return np.ones(1)
    with np.errstate(over="ignore", invalid="ignore"):
        t = np.arange(-radius, radius + 1) / sigma
        bell = np.exp(-0.5 * t * t)
        previous, hermite = np.zeros_like(t), np.ones_like(t)
        for n in range(order):
            previous, hermite = hermite, t * hermite - n * previous
        taps: NDArray[np.float64] = bell / bell.sum() * hermite * np.float64(-1 / sigma) ** order
    if not np.isfinite(taps).all():
        raise FaltungValueError(
            f"`sigma` (={sigma:g}) is too small for a derivative of order {order} over {radius} samples."
        )
    return taps
