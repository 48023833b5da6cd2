"""Gradients of layers, each of them a convolution itself: exact transposes, and sums over all positions."""

from __future__ import annotations

from ._block import conv_block
from ._conv import conv_bias, conv_input, conv_weight
from ._transpose import conv_transpose_input, conv_transpose_weight

__all__ = [
    "conv_bias",
    "conv_block",
    "conv_input",
    "conv_transpose_input",
    "conv_transpose_weight",
    "conv_weight",
]
