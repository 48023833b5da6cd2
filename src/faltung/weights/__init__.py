"""Weights between conventions: axes, grouping and flips of other libraries' convolutions.

`convert` takes weights from one convention to another, to the bit; `detect_flip` tells from a reference
output which one some weights follow.
"""

from __future__ import annotations

from ._convert import convert
from ._detect import detect_flip

__all__ = ["convert", "detect_flip"]
