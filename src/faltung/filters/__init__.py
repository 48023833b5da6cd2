"""Filters for images and volumes, made of `convolve` and the kernels.

Every filter keeps the size. Boundaries are those of `convolve`; the default, "symmetric", is the one that
`scipy.ndimage` calls "reflect". In an image axis 0 runs down the rows and axis 1 along them; colour needs
`channel_axis`, and each channel is then filtered by itself.

What smooths or takes derivatives gives floating point for integers, so that nothing is lost; what makes a
picture from a picture (`sharpen`, `unsharp`, `emboss`, `denoise`) keeps its data type and stops at its ends.
`dtype` and `overflow` say otherwise.
"""

from __future__ import annotations

from ._sharpen import emboss, sharpen, unsharp
from ._slope import Edges, edges, gradient
from ._smooth import box, denoise, gaussian, motion
from ._spots import difference_of_gaussians, laplacian, log

__all__ = [
    "Edges",
    "box",
    "denoise",
    "difference_of_gaussians",
    "edges",
    "emboss",
    "gaussian",
    "gradient",
    "laplacian",
    "log",
    "motion",
    "sharpen",
    "unsharp",
]
