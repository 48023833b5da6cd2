"""The conventions as data: for each kind of layer the order of its weights' axes, and whether it flips.

An axis is written by what runs along it, the slowest first: g the groups, o and i the output and input
channels of one group, k the taps of every spatial axis. "go" is one axis over all output channels, group by
group. What is not written has size 1. The canonical form is that of `fl.nn` in the layout channels_first:

    conv, depthwise   y[go, p] = sum x[gi, p S + h D] w[go, i, h]           axes go i k
    transpose         y[go, p S + h D] += x[gi, p] w[gi, o, h]              axes gi o k

A convention flips where its own definition has w[K-1-h] in the place of w[h].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = ("conv", "transpose", "depthwise")


@dataclass(frozen=True)
class Form:
    """Axes of weights, `grouped` instead where there are several groups, and whether taps are flipped."""

    axes: tuple[str, ...]
    flip: bool = False
    grouped: tuple[str, ...] = ()

    def axes_for(self, groups: int) -> tuple[str, ...]:
        """The axes with so many groups."""
        return self.grouped if groups > 1 and self.grouped else self.axes


@dataclass(frozen=True)
class Convention:
    """A library's forms, the ranks it has, and where they are defined."""

    forms: Mapping[str, Form]
    source: str
    ranks: range | None = field(default=None)


def _same(conv: Form, transpose: Form) -> dict[str, Form]:
    return {"conv": conv, "transpose": transpose, "depthwise": conv}


_TORCH = _same(Form(("go", "i", "k")), Form(("gi", "o", "k")))
_THEANO = _same(Form(("go", "i", "k"), flip=True), Form(("gi", "o", "k"), flip=True))
_LAST = Form(("k", "i", "go"))

CONVENTIONS: dict[str, Convention] = {
    "torch": Convention(_TORCH, "torch.nn.Conv1d to Conv3d, ConvTranspose1d to 3d", range(1, 4)),
    "onnx": Convention(_TORCH, "ONNX operators Conv and ConvTranspose"),
    "caffe": Convention(_TORCH, "Caffe layers Convolution and Deconvolution, their first blob"),
    "tensorflow": Convention(
        {"conv": _LAST, "transpose": Form(("k", "o", "i")), "depthwise": Form(("k", "g", "o"))},
        "tf.nn.convolution, conv1d_transpose to conv3d_transpose, depthwise_conv2d; Keras layers",
        range(1, 4),
    ),
    "jax": Convention(
        {"conv": _LAST, "transpose": Form(("k", "i", "o"), flip=True), "depthwise": _LAST},
        "lax.conv_general_dilated with HWIO, lax.conv_transpose, flax Conv and ConvTranspose",
    ),
    "jax_transpose_kernel": Convention(
        {"transpose": Form(("k", "o", "i"))},
        "lax.conv_transpose and flax ConvTranspose with transpose_kernel=True",
    ),
    "theano": Convention(_THEANO, "theano.tensor.nnet.conv2d, conv3d and their grad_wrt_inputs", range(1, 4)),
    "lasagne": Convention(_THEANO, "Lasagne Conv1DLayer to Conv3DLayer, TransposedConv2DLayer", range(1, 4)),
    "matconvnet": Convention(
        _same(_LAST, Form(("k", "o", "gi"))), "MatConvNet vl_nnconv and vl_nnconvt", range(2, 3)
    ),
    "matlab": Convention(
        {
            "conv": Form(("k", "i", "o"), grouped=("k", "i", "o", "g")),
            "transpose": Form(("k", "o", "i")),
            "depthwise": Form(("k", "i", "o", "g")),
        },
        "Deep Learning Toolbox convolution2dLayer, groupedConvolution2dLayer, transposedConv2dLayer",
        range(1, 4),
    ),
    "matlab_conv2": Convention({"conv": Form(("k",), flip=True)}, "MATLAB conv, conv2 and convn"),
}

OTHER_WORDS = {
    "pytorch": "torch", "tf": "tensorflow", "keras": "tensorflow", "flax": "jax", "lax": "jax",
    "deep_learning_toolbox": "matlab", "conv2": "matlab_conv2", "convn": "matlab_conv2", "caffe2": "onnx",
    "numpy": "matlab_conv2", "scipy": "matlab_conv2",
}  # fmt: skip
