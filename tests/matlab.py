"""MATLAB's functions by their documentation, for comparison: small, slow, by NumPy's padding and sums alone.

``conv2`` keeps, under ``'same'``, the central part, which begins at the (1-based) index ceil((K + 1)/2) of
the full result; ``imfilter`` correlates unless ``'conv'`` is given, and is written for odd kernels only,
whose centre is nobody's choice.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

PADS = {"replicate": "edge", "symmetric": "symmetric", "circular": "wrap"}


def slide(padded: Any, taps: Any) -> Any:
    """Correlation where the kernel fits."""
    sizes = [n - k + 1 for n, k in zip(padded.shape, taps.shape, strict=True)]
    total = np.zeros(sizes)
    for place in itertools.product(*map(range, taps.shape)):
        total += taps[place] * padded[tuple(slice(i, i + n) for i, n in zip(place, sizes, strict=True))]
    return total


def conv2(*arguments: Any) -> Any:
    """conv2(A, B, shape) and conv2(u, v, A, shape)."""
    *arrays, shape = arguments if isinstance(arguments[-1], str) else (*arguments, "full")
    a, b = arrays if len(arrays) == 2 else (arrays[2], np.outer(arrays[0], arrays[1]))
    full = slide(np.pad(a, [(k - 1, k - 1) for k in b.shape]), np.flip(b))
    if shape == "same":
        first = [-(-(k + 1) // 2) - 1 for k in b.shape]
        return full[tuple(slice(i, i + n) for i, n in zip(first, a.shape, strict=True))]
    if shape == "valid":
        return full[tuple(slice(k - 1, n) for k, n in zip(b.shape, a.shape, strict=True))]
    return full


conv = conv2


def filter2(b: Any, a: Any) -> Any:
    """The correlation, as large as `a`: conv2 with `b` turned by half a turn."""
    return conv2(a, np.flip(b), "same")


def filter(b: Any, a: float, x: Any) -> Any:  # noqa: A001 - MATLAB's name
    """A causal filter; ``a`` is 1."""
    return conv2(x, b)[: x.size] / a


def xcorr(x: Any, y: Any) -> Any:
    """Lags from 1 - N to N - 1, the shorter signal padded with zeros to N."""
    n = max(x.size, y.size)
    x, y = (np.pad(v, (0, n - v.size)) for v in (x, y))
    return slide(np.pad(x, n - 1), y)


def imfilter(a: Any, h: Any, *options: Any) -> Any:
    """Boundary (a word or a number), ``'same'`` or ``'full'``, ``'corr'`` or ``'conv'``."""
    assert all(n % 2 for n in h.shape)
    reach = [(n - 1 if "full" in options else n // 2,) * 2 for n in h.shape]
    words = [PADS[option] for option in options if option in PADS]
    numbers = [option for option in options if not isinstance(option, str)]
    padded = np.pad(a, reach, words[0]) if words else np.pad(a, reach, constant_values=(numbers or [0])[0])
    return slide(padded, np.flip(h) if "conv" in options else h)


def imgaussfilt(a: Any, sigma: float) -> Any:
    """Taps out to ceil(2 sigma), border replicated."""
    x = np.arange(-np.ceil(2 * sigma), np.ceil(2 * sigma) + 1)
    taps = np.exp(-(x**2) / (2 * sigma**2))
    return imfilter(a, np.outer(taps, taps) / taps.sum() ** 2, "replicate")
