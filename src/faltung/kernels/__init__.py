"""Kernels as impulse responses for `convolve`: small arrays of taps whose data type never decides a result's.

A derivative kernel answers positively where the signal rises: its taps are [1, 0, -1], which convolution
flips. For `correlate`, `flip` them. Kernels with whole taps keep them as integers, so that filtering an
integer image with them stays exact and integer. Angles are in radians: 0 is along the rows of an image, pi/2
down.
"""

from __future__ import annotations

from faltung._kernel import Kernel, Separable

from ._change import flip, normalize
from ._derivative import laplacian, prewitt, roberts, scharr, sobel
from ._gabor import gabor
from ._gaussian import gaussian, log
from ._separate import Separation, separate
from ._sharpen import emboss, sharpen, unsharp
from ._smooth import box, disk, motion

__all__ = [
    "Kernel",
    "Separable",
    "Separation",
    "box",
    "disk",
    "emboss",
    "flip",
    "gabor",
    "gaussian",
    "laplacian",
    "log",
    "motion",
    "normalize",
    "prewitt",
    "roberts",
    "scharr",
    "separate",
    "sharpen",
    "sobel",
    "unsharp",
]
