"""What is computed backwards of a layer: its transpose, either gradient, or a block's training step.

All four are numbers of the forward layer, which a `Work` is: x of (N, Cin, *size), w of (Cout, Cin/groups,
*taps), and y or the gradient that comes in, of (N, Cout, *out). The transposed convolution and the gradient
of the input map the last of them to the first, with the same weights.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from .layers_shape import Shape, shape

GRAMMAR = re.compile(
    r"t(?P<depthwise>dw)?(?P<taps>\d+(x\d+)*)(s(?P<stride>\d+))?(p(?P<padding>\d+))?(o(?P<extra>\d+))?"
    r"(g(?P<groups>\d+))? (?P<cin>\d+)(-(?P<cout>\d+))?@(?P<size>\d+(x\d+)*)"
)
"""t[dw]TAPS[sSTRIDE][pPADDING][oOUTPUT_PADDING][gGROUPS] IN[-OUT]@SIZE, of the transposed convolution."""

WARM = "3x3 8-8@64"
"""A small layer whose call loads code and starts threads."""


@dataclass(frozen=True)
class Work(Shape):
    """``of`` a layer: "transposed" (with a bias), "input", "weight", or "block" (batch norm and ReLU)."""

    of: str = "input"
    batch: int = 1

    @property
    def terms(self) -> int:
        """Terms of one result's sum, the bias too; of a block those of all its sums."""
        inputs = (self.cout // self.groups) * math.prod(
            -(-k // (self.stride // math.gcd(self.stride, self.dilation))) for k in self.taps
        )
        weights = self.batch * math.prod(self.out)
        if self.of == "block":
            return super().terms + inputs + weights
        return weights if self.of == "weight" else inputs + (self.of == "transposed")

    @property
    def flop(self) -> int:
        """Operations: either gradient has as many as the layer, a block all three."""
        return self.batch * super().flop * (3 if self.of == "block" else 1)

    @property
    def x_bytes(self) -> int:
        """Bytes of the layer's input, which the transpose and one of the gradients fill."""
        return self.batch * super().input_bytes

    @property
    def y_bytes(self) -> int:
        """Bytes of the layer's result."""
        return self.batch * super().output_bytes

    @property
    def output_bytes(self) -> int:
        """Bytes of what is computed."""
        parts = {"weight": self.weight_bytes, "block": self.x_bytes + self.y_bytes + self.weight_bytes}
        return parts.get(self.of, self.x_bytes)

    @property
    def bytes(self) -> int:
        """Bytes that must be read or written at least once."""
        return (self.x_bytes + self.y_bytes + self.weight_bytes) * (2 if self.of == "block" else 1)

    @property
    def call_bytes(self) -> int:
        """Bytes that a function's call makes anew: packed weights or partial sums.

        A block's also its results, which have no ``out=``, and the sums that it saves for the way back.
        """
        more = self.output_bytes + self.y_bytes if self.of == "block" else 0
        return 0 if self.of == "transposed" else self.weight_bytes + more

    @property
    def output_padding(self) -> tuple[int, ...]:
        """Samples of the transposed convolution's output that its formula for the size leaves out."""
        spans = (self.dilation * (k - 1) + 1 for k in self.taps)
        return tuple(
            (n + 2 * p - span) % self.stride
            for n, p, span in zip(self.size, self.padding, spans, strict=True)
        )

    def warm(self) -> Work:
        """The same kind of work on a small layer."""
        return work(self.of, shape(WARM))

    def tiny(self) -> Work:
        """The same kind of work on few channels and samples."""
        small = super().tiny()
        return work(self.of, small, min(self.batch, 2))


def work(of: str, layer: Shape, batch: int = 1) -> Work:
    """Backwards of a layer.

    >>> w = work("weight", shape("3x3s2 64-128@56"), batch=8)
    >>> (w.flop == 8 * shape("3x3s2 64-128@56").flop, w.terms, w.output_padding)
    (True, 6272, (1, 1))
    """
    names = Shape.__dataclass_fields__
    return Work(**{name: getattr(layer, name) for name in names}, of=of, batch=batch)


def transposed(text: str, **more: Any) -> Work:
    """Read a line of a transposed convolution as the layer that it is the transpose of.

    >>> w = transposed("t4x4s2p1 1024-512@4")
    >>> (w.cin, w.cout, w.size, w.out, w.terms)
    (512, 1024, (8, 8), (4, 4), 4097)
    >>> transposed("t3x3s2p1o1 256-128@64").size
    (128, 128)
    """
    found = GRAMMAR.fullmatch(text)
    if found is None:
        raise ValueError(f"`text` (={text!r}) must look like 't4x4s2p1 64-32@16' or 'tdw4x4s2p1 64@16'")
    taps = tuple(int(k) for k in found["taps"].split("x"))
    size = tuple(int(n) for n in found["size"].split("x"))
    size = size * len(taps) if len(size) == 1 else size
    stride, padding, extra = (int(found[word] or least) for word, least in
                              (("stride", 1), ("padding", 0), ("extra", 0)))  # fmt: skip
    cin = int(found["cin"])
    large = tuple((n - 1) * stride - 2 * padding + k + extra for n, k in zip(size, taps, strict=True))
    layer = Shape(
        text, int(found["cout"] or cin), cin, large, taps, stride, 1,
        cin if found["depthwise"] else int(found["groups"] or 1), (padding,) * len(taps), **more,
    )  # fmt: skip
    return work("transposed", layer)
