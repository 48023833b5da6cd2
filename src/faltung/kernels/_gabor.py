"""Gabor's kernels: a wave under a Gaussian, for lines and textures of one direction and width."""

from __future__ import annotations

import math
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from faltung._errors import FaltungValueError
from faltung._kernel import Kernel, Separable
from faltung._normalize import normalize_reals


def gabor(
    wavelength: SupportsFloat,
    angle: SupportsFloat = 0.0,
    *,
    sigma: SupportsFloat | None = None,
    aspect: SupportsFloat = 0.5,
    phase: SupportsFloat = 0.0,
    truncate: SupportsFloat = 3.0,
) -> Kernel:
    r"""Wave of one length and direction under a Gaussian.

    With u along `angle` and v across it, in samples from the centre,

    .. math:: k = \exp\left(-\frac{u^2 + \gamma^2 v^2}{2\sigma^2}\right)
       \cos\left(\frac{2\pi u}{\lambda} + \psi\right),
       \qquad u = x\cos\theta + y\sin\theta, \quad v = y\cos\theta - x\sin\theta,

    x counted along the rows and y down.

    Parameters
    ----------
    wavelength : float
        Length of the wave (lambda) in samples, above 0.
    angle : float
        Direction in which the wave runs (theta) in radians as that of `faltung.filters.edges`: 0 along the
        rows, pi/2 down. Lines across it answer.
    sigma : float, optional
        Standard deviation along the wave in samples; 0.56 `wavelength`, a bandwidth of one octave, if it is
        not given.
    aspect : float
        Ratio gamma of the widths: the standard deviation across is sigma / gamma.
    phase : float
        Phase psi in radians: 0 for bright lines, pi for dark ones, pi/2 for edges that get brighter in the
        direction of the wave. Two kernels with phases 0 and pi/2 give the energy, whatever the phase of the
        image.
    truncate : float
        Radius in standard deviations, of the wider axis.

    Returns
    -------
    Kernel
        float64 taps, both lengths odd; the largest is at most 1. With factors where the wave runs along an
        axis.

    Raises
    ------
    FaltungValueError
        A number is negative or not finite, or a width is 0.

    See Also
    --------
    normalize : gives the taps a sum of absolute values of 1.

    References
    ----------
    J. G. Daugman, "Uncertainty relation for resolution in space, spatial frequency, and orientation
    optimized by two-dimensional visual cortical filters", Journal of the Optical Society of America A 2
    (1985).

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.gabor(6).shape
    (41, 21)
    >>> k = fl.kernels.gabor(4, sigma=1, aspect=1, truncate=2)
    >>> k.taps[2].round(4).tolist()
    [-0.1353, 0.0, 1.0, 0.0, -0.1353]
    """
    (wave,) = normalize_reals("wavelength", wavelength, 1)
    (width,) = normalize_reals("sigma", 0.56 * wave if sigma is None else sigma, 1)
    (ratio,) = normalize_reals("aspect", aspect, 1)
    theta, psi = (normalize_reals(n, v, 1, -math.inf)[0] for n, v in (("angle", angle), ("phase", phase)))
    (reach,) = normalize_reals("truncate", truncate, 1)
    for name, value in (("wavelength", wave), ("sigma", width), ("aspect", ratio)):
        if value == 0:
            raise FaltungValueError(f"`{name}` (=0) must be above 0.")
    cosine, sine = (0.0 if abs(part) < 1e-12 else part for part in (math.cos(theta), math.sin(theta)))
    across = width / ratio
    right = int(reach * max(abs(width * cosine), abs(across * sine)) + 0.5)
    down = int(reach * max(abs(width * sine), abs(across * cosine)) + 0.5)
    y, x = np.arange(-down, down + 1)[:, None], np.arange(-right, right + 1)[None, :]
    if sine == 0 or cosine == 0:  # along an axis the wave and the bell are a product
        u, v = (x * cosine, y) if sine == 0 else (y * sine, x)
        parts = [_bell(v / across).ravel(), (_bell(u / width) * np.cos(2 * math.pi / wave * u + psi)).ravel()]
        return Separable(*parts if sine == 0 else parts[::-1])
    u, v = x * cosine + y * sine, y * cosine - x * sine
    return Kernel(_bell(u / width) * _bell(v / across) * np.cos(2 * math.pi / wave * u + psi))


def _bell(t: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """A Gaussian with a peak of 1."""
    height: NDArray[np.float64] = np.exp(-0.5 * t * t)
    return height
