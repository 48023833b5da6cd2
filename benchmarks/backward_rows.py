"""Transposed convolutions of published networks, gradients of `layers_rows`' layers, ResNet-18's blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from . import layers_rows
from .backward_shape import Work, transposed, work
from .layers_rows import Class, Row
from .layers_shape import shape

ALONE = ("torch",)
"""Who has the gradient of weights, and a block in training."""

CLASSES = {
    word: Class(name, every, mean, *needs)
    for word, name, every, mean, *needs in (
        ("transposed", "Transposed", 1.2, 2.0),
        ("transposed-double", "Transposed, float64", 1.5, 3.0, ALONE),
        ("input-dense", "Gradient of the input, dense", 1.0, 1.2, ALONE),
        ("input-grouped", "Gradient of the input, depthwise and grouped", 1.5, 2.0, ALONE),
        ("weight-dense", "Gradient of the weights, dense", 1.0, 1.2, ALONE),
        ("weight-grouped", "Gradient of the weights, depthwise and grouped", 1.5, 2.0, ALONE),
        ("block", "Forward and backward of a block in training", 1.0, 1.2, ALONE),
    )
}


def kind_of(w: Work) -> str:
    """The class of a work.

    >>> kind_of(work("weight", shape("dw3x3 8@9")))
    'weight-grouped'
    """
    if w.of == "transposed":
        return "transposed-double" if w.dtype == np.float64 else "transposed"
    return w.of if w.of == "block" else f"{w.of}-{'dense' if w.groups == 1 else 'grouped'}"


def network(name: str, *lines: str, **more: Any) -> tuple[Row, ...]:
    """The transposed convolutions of a network."""
    works = [transposed(line, **more) for line in lines]
    return tuple(Row(f"{name}-{w.text.replace(' ', '-')}", w, kind_of(w), 0, name) for w in works)


TRANSPOSED = (
    *network("dcgan", "t4x4 100-1024@1", "t4x4s2p1 1024-512@4", "t4x4s2p1 512-256@8", "t4x4s2p1 256-128@16",
             "t4x4s2p1 128-64@32", "t4x4s2p1 64-3@64"),
    *network("pix2pix", "t4x4s2p1 512-512@1", "t4x4s2p1 1024-256@16", "t4x4s2p1 512-128@32",
             "t4x4s2p1 128-3@128"),
    *network("pose", "t4x4s2p1 2048-256@8x6", "t4x4s2p1 256-256@32x24"),
    *network("unet", "t2x2s2 1024-512@28", "t2x2s2 512-256@56", "t2x2s2 256-128@112", "t2x2s2 128-64@112"),
    *network("maskrcnn", "t2x2s2 256-256@14"),
    *network("cyclegan", "t3x3s2p1o1 256-128@64", "t3x3s2p1o1 128-64@128"),
    *network("style", "t3x3s2p1o1 128-64@64", "t3x3s2p1o1 64-32@128"),
    *network("erfnet", "t3x3s2p1o1 128-64@64x128", "t3x3s2p1o1 64-16@64"),
    *network("fcn", "t64x64s32 21-21@16", "t4x4s2 21-21@16", "t16x16s8 21-21@70",
             "tdw16x16s8p4 21@64"),
    *network("centernet", "tdw4x4s2p1 256@16", "tdw4x4s2p1 128@32", "tdw4x4s2p1 64@64"),
    *network("grouped", "t4x4s2p1g4 256-256@16", "t3x3s2p1o1g8 128-128@28"),
    *network("hifigan", "t16s8p4 512-256@200", "t16s8p4 256-128@1600", "t4s2p1 128-64@12800",
             "t4s2p1 64-32@25600"),
    *network("istft", "t1024s256 1026-1@500"),
    *network("waveglow", "t1024s256 80-80@63"),
    *network("convtasnet", "t16s8 512-1@3999"),
    *network("demucs", "t8s4 512-256@1000", "t8s4 64-4@16000"),
    *network("unet3d", "t2x2x2s2 512-256@8", "t2x2x2s2 256-128@16", "t2x2x2s2 64-32@32"),
    *network("gan3d", "t4x4x4s2p1 512-256@4", "t4x4x4s2p1 256-128@8", "t4x4x4s2p1 64-1@32"),
)  # fmt: skip

DOUBLES = network(
    "float64", "t4x4s2p1 512-256@8", "t4x4s2p1 64-3@64", "t2x2s2 256-128@28", "t3x3s2p1o1 128-64@64",
    "tdw4x4s2p1 128@32", "t16s8p4 256-128@400", "t1024s256 1026-1@200", "t2x2x2s2 64-32@16",
    dtype=np.float64,
)  # fmt: skip

CHOSEN = (
    "vgg16-3x3-3-64@224", "vgg16-3x3-64-64@224", "vgg16-3x3-256-256@56", "googlenet-5x5-16-32@28",
    "inception3-1x7-128-128@17", "mobilenet1-1x1-32-64@112", "mobilenet1-1x1-512-512@14",
    "mobilenet2-dw3x3-144@56", "mobilenet2-dw3x3-576@14",
    "efficientnet-dw5x5s2-144@56", "efficientnet-dw5x5-480@14",
    "convnext-dw7x7-96@56", "convnext-dw7x7-192@28", "convnext-dw7x7-384@14", "convnext-dw7x7-768@7",
    "multiplier2-dw3x3-32-64@112", "replknet-dw13x13-1024@7-highest", "replknet-dw31x31-128@56-highest",
    "convnext-4x4s4v-3-96@224", "convnext-2x2s2v-96-192@56", "diffusion-3x3-4-320@64",
    "alexnet-5x5g2-96-256@27", "shufflenet-1x1g3-240-240@28", "regnet-3x3g9-216-216@28",
    "wavenet-2v-64-128@16001", "wavenet-2d16v-64-128@16016", "wavenet-2d512v-64-128@16512",
    "genomics-51d8-15-15@60000", "wav2vec2-10s5v-1-512@16000", "wav2vec2-3s2v-512-512@3199",
    "tcn-dw7d4-256@4000", "deeplab-3x3d4-256-256@28", "deeplab-dw3x3d2-728@33",
    "c3d-3x3x3-3-64@16x112x112", "c3d-3x3x3-128-256@8x28x28", "c3d-3x3x3-512-512@4x14x14",
    "unet3d-3x3x3-32-32@32", "x3d-dw3x3x3-108@16x28x28", "csn-dw5x5x5-64@16x28x28",
    "notes-3x3-3-64@32", "cifar-resnet-3x3-32-32@16",
)  # fmt: skip
"""Names of `layers_rows` beside whole ResNet-50, MobileNet's depthwise and ResNeXt."""

WHOLE = ("resnet50", "resnet50v1.5", "resnext50")
SEVERAL = ("resnet50-3x3-64-64@56", "resnet50-3x3-128-128@28", "resnet50-3x3-256-256@14",
           "resnet50-3x3-512-512@7", "mobilenet1-dw3x3-512@14")  # fmt: skip
"""Layers that also come as a batch of 8."""


def gradient(of: str, row: Row, batch: int = 1) -> Row:
    """A layer's row turned backwards; a network's total counts at batch 1."""
    w = work(of, row.shape, batch)
    name = f"{of}-{row.name}" + (f"-n{batch}" if batch > 1 else "")
    return Row(name, w, kind_of(w), row.uses if batch == 1 else 0, f"{row.network}, gradient of the {of}")


def gradients(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Both of the chosen layers, then those of a batch."""
    every = list(rows)
    known = {row.name for row in every}
    missing = {*CHOSEN, *SEVERAL} - known
    if missing:
        raise LookupError(f"no such layers: {sorted(missing)}")
    chosen = [row for row in every if row.network in WHOLE or row.name in CHOSEN or
              row in layers_rows.MOBILENET_FIRST + layers_rows.MOBILENET_DEPTHWISE]  # fmt: skip
    several = [row for row in every if row.name in SEVERAL]
    return tuple(
        row
        for of in ("input", "weight")
        for row in (*(gradient(of, r) for r in chosen), *(gradient(of, r, 8) for r in several))
    )


GRADIENTS = gradients(layers_rows.ROWS)

STAGES = ("3x3 64-64@56", "3x3s2 64-128@56", "3x3 128-128@28", "3x3s2 128-256@28", "3x3 256-256@14",
          "3x3s2 256-512@14", "3x3 512-512@7")  # fmt: skip
"""ResNet-18's blocks of one convolution, batch norm and ReLU."""

BLOCKS = tuple(
    Row(f"block-resnet18-{text.replace(' ', '-')}{f'-n{batch}' if batch > 1 else ''}",
        work("block", shape(text), batch), "block", 0, "resnet18")
    for batch in (1, 8) for text in STAGES
)  # fmt: skip

ROWS: tuple[Row, ...] = (*TRANSPOSED, *DOUBLES, *GRADIENTS, *BLOCKS)
