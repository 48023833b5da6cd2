"""Transposed convolutions, gradients and training blocks beside the peers: ``python -m benchmarks.backward``.

As `layers` has it: contestants take turns in one process after a check of every answer, and a row's ratio is
the best peer's median over ours.

- Transposed convolutions of published networks run from a plan with ``out=``, channels_first beside PyTorch,
  ONNX Runtime, OpenVINO and OpenCV's network module, channels_last beside PyTorch.
- A gradient of a layer of `layers_rows` is a call of `grad.conv_input` or `grad.conv_weight` with ``out=``,
  beside PyTorch's convolution_backward for exactly that gradient. The engines have that of the input alone,
  as a transposed convolution with weights that come with the call.
- A block is a convolution of ResNet-18, batch norm in training and ReLU, forward and backward, beside
  PyTorch's autograd.
"""

from __future__ import annotations

import sys

from . import layers
from .backward_ours import OURS
from .backward_peers import PEERS
from .backward_problem import problem, reference
from .backward_rows import CLASSES, ROWS
from .layers_suite import Suite

SUITE = Suite("backward", ROWS, CLASSES, OURS + PEERS, problem, reference)


def main(arguments: list[str] | None = None) -> int:
    """Run; exit status 2 when no row matches, else 0."""
    return layers.main(arguments, SUITE, __doc__ or "")


if __name__ == "__main__":
    sys.exit(main())
