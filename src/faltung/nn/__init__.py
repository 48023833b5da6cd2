"""Layers of networks: correlation unless `flip=True`, of any rank, in both layouts."""

from __future__ import annotations

from . import grad
from ._batch_norm import BatchNorm
from ._block import conv_block
from ._block_train import conv_block_train
from ._conv import conv
from ._im2col import col2im, im2col
from ._plan import LayerPlan, plan_conv
from ._plan_separable import SeparablePlan, plan_separable_conv
from ._separable import separable_conv
from ._transpose import conv_transpose, plan_conv_transpose

__all__ = [
    "BatchNorm",
    "LayerPlan",
    "SeparablePlan",
    "col2im",
    "conv",
    "conv_block",
    "conv_block_train",
    "conv_transpose",
    "grad",
    "im2col",
    "plan_conv",
    "plan_conv_transpose",
    "plan_separable_conv",
    "separable_conv",
]
