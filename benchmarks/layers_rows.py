"""Layers of published networks, each with how often its network uses it, and the figures of their classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .layers_shape import Shape, shape


@dataclass(frozen=True)
class Class:
    """What is aimed at: best peer's time / ours in every row, and in the geometric mean of the class.

    A channels_first row needs all the packages of ``needs``, a channels_last one PyTorch.
    """

    name: str
    every: float
    mean: float
    needs: tuple[str, ...] = ("torch", "onnxruntime", "openvino", "cv2")


LARGE = 2 * 2**20
"""Bytes of input and output from which on a depthwise layer streams through the cache of a core."""

SMALL = 5e6
"""Operations under which a dense layer counts as small."""

FAR = 13
"""Taps along an axis from which on a depthwise kernel counts as large."""

CLASSES = {
    word: Class(name, every, mean)
    for word, name, every, mean in (
        ("dense", "Dense 1×1, 3×3, 5×5", 0.95, 1.1),
        ("first", "First layers", 1.1, 1.4),
        ("maps", "Maps of 7×7 and smaller", 1.0, 1.2),
        ("depthwise-large", "Depthwise 3 to 9, over 2 MB", 1.2, 1.3),
        ("depthwise-small", "Depthwise 3 to 9, up to 2 MB", 1.5, 2.0),
        ("far-highest", "Depthwise 13 to 51, highest", 1.1, 1.4),
        ("far-high", "Depthwise 13 to 51, high", 1.5, 2.5),
        ("pair", "Depthwise separable pairs", 1.2, 1.5),
        ("grouped", "Grouped 2 to 32", 1.5, 2.5),
        ("line", "1-D and dilated", 1.2, 1.7),
        ("volume", "3-D", 1.1, 1.3),
        ("volume-depthwise", "3-D depthwise", 2.0, 4.0),
        ("double-dense", "float64, dense", 1.0, 1.15),
        ("double", "float64, grouped, depthwise, dilated", 1.5, 4.0),
        ("small", "Small layers, under 5 MFLOP", 1.1, 1.6),
        ("calls", "Calls: 1.5 µs of a plan, 4 µs of the function beyond the arithmetic", 1.0, 1.0),
        ("subnormal", "Subnormal numbers beside ordinary ones", 0.91, 0.91),
    )
}

TORCH_DEFAULT = 20.0
"""What is aimed at over the large depthwise kernels beside PyTorch in its default layout, geometric mean."""


@dataclass(frozen=True)
class Row:
    """One layer of one network; ``uses`` of it in the whole network where that is listed in full."""

    name: str
    shape: Shape
    kind: str
    uses: int = 0
    network: str = ""


def kind_of(s: Shape) -> str:
    """The class of a layer: the first that fits.

    >>> [
    ...     kind_of(shape(text))
    ...     for text in ("3x3 64-64@56", "dw3x3 64@112", "1x1 64-8@7", "2d8 8-8@99")
    ... ]
    ['dense', 'depthwise-large', 'small', 'line']
    """
    plain = s.groups == 1 and s.dilation == 1
    moved = s.input_bytes + s.output_bytes
    rules = (
        ("pair", s.then > 0),
        ("double-dense", s.dtype == np.float64 and plain),
        ("double", s.dtype == np.float64),
        ("volume-depthwise", s.rank == 3 and s.depthwise),
        ("volume", s.rank == 3),
        ("line", s.rank == 1 or s.dilation > 1),
        (f"far-{s.precision or 'highest'}", s.depthwise and max(s.taps) >= FAR),
        ("depthwise-large", s.depthwise and moved > LARGE),
        ("depthwise-small", s.depthwise),
        ("grouped", s.groups > 1),
        ("small", s.flop < SMALL),
        ("first", s.cin <= 4),
        ("maps", max(s.out) <= 7),
        ("dense", True),
    )
    return next(word for word, fits in rules if fits)


def network(name: str, *lines: str | tuple[str, int], **more: Any) -> tuple[Row, ...]:
    """The rows of a network: lines, each with its number of uses where the network is listed in full."""
    rows = []
    for line in lines:
        text, uses = line if isinstance(line, tuple) else (line, 0)
        layer = shape(text, **more)
        rows.append(Row(f"{name}-{text.replace(' ', '-')}", layer, kind_of(layer), uses, name))
    return tuple(rows)


def by_precision(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Every row at both promises."""
    found = []
    for row in rows:
        for word in ("highest", "high"):
            layer = replace(row.shape, precision=word)
            found.append(replace(row, name=f"{row.name}-{word}", shape=layer, kind=kind_of(layer)))
    return tuple(found)


RESNET = network(
    "resnet50",
    ("7x7s2 3-64@224", 1),
    ("1x1 64-64@56", 1), ("3x3 64-64@56", 3), ("1x1 64-256@56", 4), ("1x1 256-64@56", 2),
    ("1x1s2 256-128@56", 1), ("3x3 128-128@28", 4), ("1x1 128-512@28", 4), ("1x1s2 256-512@56", 1),
    ("1x1 512-128@28", 3),
    ("1x1s2 512-256@28", 1), ("3x3 256-256@14", 6), ("1x1 256-1024@14", 6), ("1x1s2 512-1024@28", 1),
    ("1x1 1024-256@14", 5),
    ("1x1s2 1024-512@14", 1), ("3x3 512-512@7", 3), ("1x1 512-2048@7", 3), ("1x1s2 1024-2048@14", 1),
    ("1x1 2048-512@7", 2),
)  # fmt: skip
"""He et al. 2015: the stride sits in a block's first 1 x 1."""

RESNET_LATER = network("resnet50v1.5", "3x3s2 128-128@56", "3x3s2 256-256@28", "3x3s2 512-512@14")
"""As torchvision has it: the stride sits in the 3 x 3."""

VGG = network(
    "vgg16",
    ("3x3 3-64@224", 1), ("3x3 64-64@224", 1), ("3x3 64-128@112", 1), ("3x3 128-128@112", 1),
    ("3x3 128-256@56", 1), ("3x3 256-256@56", 2), ("3x3 256-512@28", 1), ("3x3 512-512@28", 2),
    ("3x3 512-512@14", 3),
)  # fmt: skip

GOOGLENET = network(
    "googlenet", "3x3 64-192@56", "1x1 192-96@28", "3x3 96-128@28", "1x1 192-16@28",
    "5x5 16-32@28", "5x5 32-96@28", "1x1 480-192@14", "3x3 96-208@14", "5x5 16-48@14", "5x5 48-128@7",
    "3x3 192-384@7", "1x1 832-384@7",
) + network(
    "inception3", "3x3s2v 3-32@299", "3x3v 32-32@149", "1x7 128-128@17", "7x1 192-192@17"
)  # fmt: skip

MOBILENET_FIRST = network("mobilenet1", ("3x3s2 3-32@224", 1))

MOBILENET_DEPTHWISE = network(
    "mobilenet1",
    ("dw3x3 32@112", 1), ("dw3x3s2 64@112", 1), ("dw3x3 128@56", 1), ("dw3x3s2 128@56", 1),
    ("dw3x3 256@28", 1), ("dw3x3s2 256@28", 1), ("dw3x3 512@14", 5), ("dw3x3s2 512@14", 1),
    ("dw3x3 1024@7", 1),
)  # fmt: skip

MOBILENET_POINTWISE = network(
    "mobilenet1",
    ("1x1 32-64@112", 1), ("1x1 64-128@56", 1), ("1x1 128-128@56", 1), ("1x1 128-256@28", 1),
    ("1x1 256-256@28", 1), ("1x1 256-512@14", 1), ("1x1 512-512@14", 5), ("1x1 512-1024@7", 1),
    ("1x1 1024-1024@7", 1),
)  # fmt: skip

MOBILENET_PAIRS = network(
    "mobilenet1", "dw3x3 32@112>64", "dw3x3s2 64@112>128", "dw3x3 128@56>128", "dw3x3 256@28>256",
    "dw3x3s2 256@28>512", "dw3x3 512@14>512", "dw3x3 1024@7>1024", between="relu", after="relu",
)  # fmt: skip

MOBILENET2 = network(
    "mobilenet2", "dw3x3s2 96@112", "dw3x3 144@56", "dw3x3s2 144@56", "dw3x3 192@28", "dw3x3 384@14",
    "dw3x3 576@14", "dw3x3 960@7", "1x1 32-16@112", "1x1 16-96@112", "1x1 24-144@56", "1x1 144-24@56",
    "1x1 144-32@28", "1x1 32-192@28", "1x1 192-64@14", "1x1 96-576@14", "1x1 160-960@7", "1x1 320-1280@7",
)  # fmt: skip

MOBILENET2_PAIRS = network(
    "mobilenet2", "dw3x3 144@56>24", "dw3x3 192@28>32", "dw3x3 576@14>96", "dw3x3 960@7>160",
    between="relu6",
)  # fmt: skip

DEPTHWISE = (
    *network("efficientnet", "dw5x5s2 144@56", "dw5x5 240@28", "dw5x5 480@14", "dw5x5 1152@7"),
    *network("mixnet", "dw9x9 60@28", "dw7x7s2 64@56"),
    *network("convnext", "dw7x7 96@56", "dw7x7 192@28", "dw7x7 384@14", "dw7x7 768@7"),
    *network("multiplier2", "dw3x3 32-64@112", "dw3x3 128-256@28", "dw5x5 64-128@28", "dw7x7 96-192@14"),
)

FAR_DEPTHWISE = by_precision(
    network("replknet", "dw31x31 128@56", "dw29x29 256@28", "dw27x27 512@14", "dw13x13 1024@7")
    + network("slak", "dw51x51 96@56", "dw51x5 96@56", "dw5x49 192@28")
)

OTHERS = (
    *network("convnext", "4x4s4v 3-96@224", "2x2s2v 96-192@56", "1x1 96-384@56"),
    *network("diffusion", "3x3 4-320@64"),
    *network("unet", "3x3v 1-64@572", "3x3v 64-64@284", "3x3v 512-1024@30", "1x1 64-2@388"),
    *network(
        "fcn8s", "7x7v 512-4096@22", "1x1 4096-4096@16", "1x1 4096-21@16", "1x1 512-21@44", "1x1 256-21@88"
    ),
    *network("small-maps", "3x3 512-512@4", "1x1 512-512@1", "3x3 256-256@7"),
)

GROUPED = (
    *network("resnext50", "3x3g32 128-128@56", "3x3s2g32 256-256@56", "3x3g32 256-256@28",
             "3x3s2g32 512-512@28", "3x3g32 512-512@14", "3x3s2g32 1024-1024@14", "3x3g32 1024-1024@7"),
    *network("alexnet", "5x5g2 96-256@27", "3x3g2 384-384@13"),
    *network("shufflenet", "1x1g3 240-240@28", "1x1g8 384-384@28"),
    *network("regnet", "3x3g4 64-64@56", "3x3g9 216-216@28", "3x3g16 256-256@14", "3x3g20 320-320@14"),
)  # fmt: skip

LINES = (
    *network("wavenet", *(f"2{f'd{1 << n}' if n else ''}v 64-128@{16000 + (1 << n)}" for n in range(10))),
    *network("genomics", "51d8 15-15@60000"),
    *network("wav2vec2", "10s5v 1-512@16000", "3s2v 512-512@3199", "128g16 768-768@99"),
    *network("m5", "80s4v 1-128@8000"),
    *network("tcn", "dw7d4 256@4000"),
    *network("deeplab", "3x3d2 512-512@28", "3x3d4 256-256@28", "3x3d6 512-256@33", "dw3x3d2 728@33"),
)

VOLUMES = (
    *network("c3d", "3x3x3 3-64@16x112x112", "3x3x3 64-128@16x56x56", "3x3x3 128-256@8x28x28",
             "3x3x3 256-512@4x14x14", "3x3x3 512-512@4x14x14", "3x3x3 512-512@2x7x7"),
    *network("unet3d", "3x3x3 32-32@32", "1x1x1 64-32@32"),
    *network("x3d", "dw3x3x3 54@16x56x56", "dw3x3x3 108@16x28x28", "dw3x3x3 216@16x14x14",
             "dw3x3x3 432@16x7x7"),
    *network("csn", "dw5x5x5 64@16x28x28"),
)  # fmt: skip

DOUBLES = network(
    "float64", "3x3 64-64@56", "1x1 256-64@56", "3x3 256-256@14", "7x7s2 3-64@112", "3x3 512-512@7",
    "3x3g32 128-128@56", "3x3g4 64-64@56", "dw3x3 512@14", "dw7x7 96@56", "dw3x3s2 64@112", "3x3d4 64-64@28",
    "2d16v 32-64@8000", dtype=np.float64,
)  # fmt: skip

SMALLS = (
    *network("notes", "3x3 3-64@32"),
    *network("lenet", "5x5v 1-6@32", "5x5v 6-16@14"),
    *network("cifar-resnet", "3x3 16-16@32", "3x3 32-32@16", "3x3 64-64@8", "1x1s2 16-32@32"),
    *network("mobilenet3", "3x3s2 3-16@64", "1x1 88-24@28", "1x1 576-96@1"),
    *network("squeeze", "1x1 128-16@28", "1x1 16-64@28"),
)

ROWS: tuple[Row, ...] = (
    *RESNET, *RESNET_LATER, *VGG, *GOOGLENET, *MOBILENET_FIRST, *MOBILENET_DEPTHWISE, *MOBILENET_POINTWISE,
    *MOBILENET_PAIRS, *MOBILENET2, *MOBILENET2_PAIRS, *DEPTHWISE, *FAR_DEPTHWISE, *OTHERS, *GROUPED, *LINES,
    *VOLUMES, *DOUBLES, *SMALLS,
)  # fmt: skip
