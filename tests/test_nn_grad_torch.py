"""Gradients beside PyTorch's autograd: layers, transposed layers, borders; tensors as arguments."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from conftest import peer
from grids import cover, draw
from nn_tools import KINDS, LAYOUTS, Shape, layer, turned, turned_weights
from test_nn_torch import CONVS, SIZES, TAPS, agree, tensors

torch = peer("torch")
functional = torch.nn.functional
TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


@pytest.fixture
def rng():
    return np.random.default_rng(551)


def backward(function, g, *arrays, **options):
    """What autograd finds for the arrays."""
    leaves = [tensor.requires_grad_() for tensor in tensors(*arrays)]
    function(*leaves, **options).backward(tensors(g)[0])
    return [leaf.grad.numpy() for leaf in leaves]


@cover(
    rank=(1, 2, 3),
    dtype=("float32", "float64", "complex64", "complex128"),
    kind=KINDS,
    layout=LAYOUTS,
    stride=(1, 2, "per axis"),
    padding=(0, 1, "per axis"),
    dilation=(1, 2),
    batch=(1, 3),
)
def test_gradients(rng, rank, dtype, kind, layout, stride, padding, dilation, batch):
    shape = Shape.of(kind, 6)
    x, w, b = layer(rng, dtype, shape, SIZES[rank], TAPS[rank], batch)
    options = {
        "stride": tuple(1 + i % 3 for i in range(rank)) if stride == "per axis" else stride,
        "padding": tuple(range(rank)) if padding == "per axis" else padding,
        "dilation": dilation,
        "groups": shape.groups,
    }
    g = draw(rng, fl.nn.conv(x, w, **options).shape, dtype)
    theirs = backward(CONVS[rank], g, x, w, b, **options)
    x, w, g = turned(x, layout), turned_weights(w, layout), turned(g, layout)
    options["layout"] = layout
    agree(fl.nn.grad.conv_input(x.shape, w, g, **options), turned(theirs[0], layout))
    agree(fl.nn.grad.conv_weight(x, w.shape, g, **options), turned_weights(theirs[1], layout))
    agree(fl.nn.grad.conv_bias(g, rank, layout=layout), theirs[2])


@cover(
    rank=(1, 2, 3),
    dtype=("float32", "float64", "complex64"),
    groups=(1, 2, 4),
    layout=LAYOUTS,
    stride=(1, 2, 3),
    padding=(0, 1),
    dilation=(1, 2),
    output_padding=(0, 1),
)
def test_transposed(rng, rank, dtype, groups, layout, stride, padding, dilation, output_padding):
    x = draw(rng, (2, 4, *SIZES[rank]), dtype)
    w = draw(rng, (4, 3, *TAPS[rank]), dtype)
    extra = min(output_padding, max(stride, dilation) - 1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    options["output_padding"] = extra
    shape = TRANSPOSED[rank](*tensors(x, w), **options).shape
    g = draw(rng, tuple(shape), dtype)
    theirs = backward(TRANSPOSED[rank], g, x, w, **options)
    x, w, g = turned(x, layout), turned_weights(w, layout), turned(g, layout)
    options["layout"] = layout
    agree(fl.nn.grad.conv_transpose_input(x.shape, w, g, **options), turned(theirs[0], layout))
    agree(fl.nn.grad.conv_transpose_weight(x, w.shape, g, **options), turned_weights(theirs[1], layout))


@cover(
    mode=("reflect", "replicate", "circular"),
    rank=(1, 2),
    kind=KINDS,
    stride=(1, 2),
    dtype=("float32", "float64"),
)
def test_borders_that_stand_for_samples(rng, mode, rank, kind, stride, dtype):
    shape = Shape.of(kind, 4)
    x, w, _ = layer(rng, dtype, shape, SIZES[rank], TAPS[rank])
    word = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    options = {"stride": stride, "groups": shape.groups}

    def padded(x, w):
        return CONVS[rank](functional.pad(x, (2, 1) * rank, mode=mode), w, **options)

    g = draw(rng, tuple(padded(*tensors(x, w)).shape), dtype)
    theirs = backward(padded, g, x, w)
    ours = options | {"padding": ((2, 1),) * rank, "boundary": word}
    agree(fl.nn.grad.conv_input(x.shape, w, g, **ours), theirs[0])
    agree(fl.nn.grad.conv_weight(x, w.shape, g, **ours), theirs[1])


def test_tensors_give_tensors(rng):
    x, w, _ = layer(rng, "float32", Shape(3, 4, 1), (9, 9), (3, 3))
    g = draw(rng, (2, 4, 7, 7), np.float32)
    tx, tw, tg = tensors(x, w, g)
    for ours, want in (
        (fl.nn.grad.conv_input(x.shape, tw, tg), fl.nn.grad.conv_input(x.shape, w, g)),
        (fl.nn.grad.conv_weight(tx, w.shape, tg), fl.nn.grad.conv_weight(x, w.shape, g)),
        (fl.nn.grad.conv_bias(tg, 2), fl.nn.grad.conv_bias(g, 2)),
    ):
        assert isinstance(ours, torch.Tensor)
        np.testing.assert_array_equal(ours.numpy(), want)
