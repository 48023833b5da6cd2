"""A layer as a line of a table: ``3x3s2 64-128@56`` and what follows from it, all in plain numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

GRAMMAR = re.compile(
    r"(?P<depthwise>dw)?(?P<taps>\d+(x\d+)*)(s(?P<stride>\d+))?(d(?P<dilation>\d+))?(g(?P<groups>\d+))?"
    r"(?P<valid>v)? (?P<cin>\d+)(-(?P<cout>\d+))?@(?P<size>\d+(x\d+)*)(>(?P<then>\d+))?"
)
"""[dw]TAPS[sSTRIDE][dDILATION][gGROUPS][v] IN[-OUT]@SIZE[>POINTWISE]; v: no padding, else D (taps-1) // 2."""


@dataclass(frozen=True)
class Shape:
    """A layer; ``then`` > 0 makes it a pair: depthwise, ``between``, 1x1 to ``then`` channels, ``after``."""

    text: str
    cin: int
    cout: int
    size: tuple[int, ...]
    taps: tuple[int, ...]
    stride: int
    dilation: int
    groups: int
    padding: tuple[int, ...]
    then: int = 0
    between: str | None = None
    after: str | None = None
    dtype: Any = np.float32
    precision: str | None = None

    @property
    def rank(self) -> int:
        """Spatial axes."""
        return len(self.size)

    @property
    def out(self) -> tuple[int, ...]:
        """Spatial size of the output."""
        spans = (self.dilation * (k - 1) + 1 for k in self.taps)
        return tuple(
            (n + 2 * p - span) // self.stride + 1
            for n, p, span in zip(self.size, self.padding, spans, strict=True)
        )

    @property
    def channels(self) -> int:
        """Channels of the result."""
        return self.then or self.cout

    @property
    def depthwise(self) -> bool:
        """Whether every input channel is a group of its own."""
        return self.groups == self.cin > 1

    @property
    def terms(self) -> int:
        """Terms of one output's sum, the bias too; of a pair those of both sums."""
        first = math.prod(self.taps) * (self.cin // self.groups) + 1
        return first + (self.cout + 1 if self.then else 0)

    @property
    def flop(self) -> int:
        """Operations, a multiply-add counted as two."""
        products = self.cout * math.prod(self.taps) * (self.cin // self.groups) + self.then * self.cout
        return 2 * math.prod(self.out) * products

    @property
    def number_bytes(self) -> int:
        """Bytes of a number."""
        return int(np.dtype(self.dtype).itemsize)

    @property
    def input_bytes(self) -> int:
        """Bytes of the input."""
        return math.prod(self.size) * self.cin * self.number_bytes

    @property
    def output_bytes(self) -> int:
        """Bytes of the result."""
        return math.prod(self.out) * self.channels * self.number_bytes

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        count = self.cout * (self.cin // self.groups) * math.prod(self.taps) + self.then * self.cout
        return count * self.number_bytes

    @property
    def bytes(self) -> int:
        """Bytes that must be read or written at least once."""
        return self.input_bytes + self.output_bytes + self.weight_bytes

    @property
    def call_bytes(self) -> int:
        """Bytes of packed weights or partial sums beyond a plan's: of what has no plan."""
        return 0

    def warm(self) -> Shape:
        """A small layer whose call loads code and starts threads."""
        return shape("3x3 8-8@64")

    def tiny(self) -> Shape:
        """The same kind of layer with few channels and samples, for runs that only show that all works.

        >>> shape("3x3s2g32 256-512@56").tiny().text
        '3x3s2g2 6-12@7'
        """
        groups = self.groups if self.groups < 3 else 3 if self.depthwise else 2
        cin = groups if self.depthwise else groups * min(3, self.cin // self.groups)
        cout = groups * min(6, self.cout // self.groups)
        taps = tuple(min(k, 15) for k in self.taps)
        dilation = min(self.dilation, 4)
        size = tuple(
            min(n, (k - 1) * dilation + 3 + self.stride) for n, k in zip(self.size, taps, strict=True)
        )
        padding = tuple(p and (k - 1) * dilation // 2 for p, k in zip(self.padding, taps, strict=True))
        small = replace(self, cin=cin, cout=cout, size=size, taps=taps, dilation=dilation, groups=groups,
                        padding=padding, then=min(self.then, 5))  # fmt: skip
        return replace(small, text=spell(small))


def shape(text: str, **more: Any) -> Shape:
    """Read a line of the table.

    >>> s = shape("7x7s2 3-64@224")
    >>> (s.padding, s.out, s.flop)
    ((3, 3), (112, 112), 236027904)
    >>> shape("dw3x3 32@112>64").channels
    64
    """
    found = GRAMMAR.fullmatch(text)
    if found is None:
        raise ValueError(f"`text` (={text!r}) must look like '3x3s2 64-128@56' or 'dw3x3 32@112>64'")
    taps = tuple(int(k) for k in found["taps"].split("x"))
    size = tuple(int(n) for n in found["size"].split("x"))
    size = size * len(taps) if len(size) == 1 else size
    cin, dilation = int(found["cin"]), int(found["dilation"] or 1)
    return Shape(
        text, cin, int(found["cout"] or cin), size, taps, int(found["stride"] or 1), dilation,
        cin if found["depthwise"] else int(found["groups"] or 1),
        tuple(0 if found["valid"] else dilation * (k - 1) // 2 for k in taps),
        int(found["then"] or 0), **more,
    )  # fmt: skip


def spell(s: Shape) -> str:
    """The line that `shape` reads."""
    options = "".join(f"{letter}{n}" for letter, n in (("s", s.stride), ("d", s.dilation)) if n > 1)
    options += "" if s.groups == 1 or s.depthwise else f"g{s.groups}"
    options += "v" if not any(s.padding) and max(s.taps) > 1 else ""
    size = "x".join(map(str, s.size if len(set(s.size)) > 1 else s.size[:1]))
    outputs = "" if s.cout == s.cin and s.depthwise else f"-{s.cout}"
    return (
        f"{'dw' * s.depthwise}{'x'.join(map(str, s.taps))}{options} {s.cin}{outputs}@{size}"
        f"{f'>{s.then}' if s.then else ''}"
    )
