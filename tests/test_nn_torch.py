"""Beside PyTorch: layers, padding modes, memory formats, unfold and fold, and its tensors as arguments."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from conftest import peer
from grids import cover, draw
from nn_tools import KINDS, Shape, layer

torch = peer("torch")
functional = torch.nn.functional
MODULES = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}
CONVS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
SIZES = {1: (30,), 2: (11, 13), 3: (6, 7, 8)}
TAPS = {1: (5,), 2: (3, 4), 3: (3, 2, 3)}
PADDING_MODES = {"constant": "zeros", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@pytest.fixture
def rng():
    return np.random.default_rng(441)


def agree(ours, theirs, dtype=None):
    """Equal up to two roundings of the same sum."""
    theirs = theirs.numpy() if isinstance(theirs, torch.Tensor) else theirs
    assert ours.shape == theirs.shape and ours.dtype == (dtype or theirs.dtype)
    if ours.dtype.kind in "iu":
        assert np.array_equal(ours, theirs)
        return
    near = 100 * np.finfo(ours.dtype).eps * abs(theirs).max(initial=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=near)


def tensors(*arrays):
    return [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@cover(
    rank=(1, 2, 3),
    dtype=("float32", "float64", "complex64", "complex128"),
    kind=KINDS,
    stride=(1, 2, "per axis"),
    padding=(0, 1, "per axis", "same", "valid"),
    dilation=(1, 2),
    bias=(False, True),
    batch=(None, 1, 3),
)
def test_convolutions(rng, rank, dtype, kind, stride, padding, dilation, bias, batch):
    shape = Shape.of(kind, 6)
    x, w, b = layer(rng, dtype, shape, SIZES[rank], TAPS[rank], batch)
    b = b if bias else None
    strides = tuple(1 + i % 3 for i in range(rank)) if stride == "per axis" else stride
    if padding == "same":
        strides = 1  # PyTorch has no other
    pads = tuple(range(rank)) if padding == "per axis" else padding
    options = {"stride": strides, "padding": pads, "dilation": dilation, "groups": shape.groups}
    bias_tensor = None if b is None else tensors(b)[0]
    theirs = CONVS[rank](*tensors(x, w), bias_tensor, **options)
    agree(fl.nn.conv(x, w, b, **options), theirs)


@cover(
    rank=(1, 2, 3),
    boundary=PADDING_MODES,
    kind=KINDS,
    stride=(1, 2),
    dilation=(1, 2),
    dtype=("float32", "float64"),
)
def test_padding_modes(rng, rank, boundary, kind, stride, dilation, dtype):
    shape = Shape.of(kind, 4)
    x, w, b = layer(rng, dtype, shape, SIZES[rank], TAPS[rank])
    module = MODULES[rank](
        shape.inside, shape.outside, TAPS[rank], stride=stride, padding=tuple(range(2, 2 + rank)),
        dilation=dilation, groups=shape.groups, padding_mode=PADDING_MODES[boundary],
        dtype=getattr(torch, dtype),
    )  # fmt: skip
    with torch.no_grad():
        module.weight.copy_(tensors(w)[0])
        module.bias.copy_(tensors(b)[0])
        theirs = module(tensors(x)[0])
    options = {"stride": stride, "padding": tuple(range(2, 2 + rank)), "dilation": dilation}
    agree(fl.nn.conv(x, w, b, groups=shape.groups, boundary=boundary, **options), theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_channels_last_memory(rng, kind, dtype):
    """The same values whether their memory format is our layout or only our strides."""
    shape = Shape.of(kind, 6)
    x, w, b = layer(rng, dtype, shape, (11, 13), (3, 3))
    theirs = functional.conv2d(
        *(t.contiguous(memory_format=torch.channels_last) for t in tensors(x, w)),
        *tensors(b),
        padding=1,
        groups=shape.groups,
    )
    memory = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    agree(fl.nn.conv(memory, w, b, padding=1, groups=shape.groups), theirs.contiguous())
    last = fl.nn.conv(
        np.moveaxis(memory, 1, -1),
        np.ascontiguousarray(np.moveaxis(w, (0, 1), (-1, -2))),
        b,
        padding=1,
        groups=shape.groups,
        layout="channels_last",
    )
    agree(last, theirs.permute(0, 2, 3, 1).contiguous())


ACTIVATIONS = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "gelu_tanh": lambda y: functional.gelu(y, approximate="tanh"),
    ("leaky_relu", 0.1): lambda y: functional.leaky_relu(y, 0.1),
    ("clip", -1.0, 2.0): lambda y: torch.clamp(y, -1, 2),
}


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations(rng, activation, dtype):
    x, w, b = layer(rng, dtype, Shape(6, 7, 1), (11, 13), (3, 3))
    r = draw(rng, (2, 7, 9, 11), dtype)
    theirs = ACTIVATIONS[activation](functional.conv2d(*tensors(x, w, b)) + tensors(r)[0])
    agree(fl.nn.conv(x, w, b, residual=r, activation=activation), theirs)


@pytest.mark.parametrize("middle", [None, "relu6"])
def test_separable(rng, middle):
    x, depthwise, _ = layer(rng, "float32", Shape(6, 6, 6), (11, 13), (3, 3))
    _, pointwise, b = layer(rng, "float32", Shape(6, 9, 1), (11, 13), (1, 1))
    mid_bias = draw(rng, (6,), np.float32)
    first = functional.conv2d(*tensors(x, depthwise, mid_bias), stride=2, padding=1, groups=6)
    first = functional.relu6(first) if middle else first
    theirs = functional.relu(functional.conv2d(first, *tensors(pointwise, b)))
    ours = fl.nn.separable_conv(
        x,
        depthwise,
        pointwise,
        b,
        stride=2,
        padding=1,
        mid_bias=mid_bias,
        mid_activation=middle,
        activation="relu",
    )
    agree(ours, theirs)


# ---- unfold and fold


@cover(
    taps=((3, 3), (1, 5), (2, 4)),
    stride=(1, 2, (2, 3)),
    padding=(0, 1, (0, 2)),
    dilation=(1, 2),
    batch=(None, 2),
)
def test_unfold_and_fold(rng, taps, stride, padding, dilation, batch):
    x = draw(rng, (3, 9, 11) if batch is None else (batch, 3, 9, 11), np.float32)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    theirs = functional.unfold(tensors(x)[0], taps, **options)
    cols = fl.nn.im2col(x, taps, **options)
    np.testing.assert_array_equal(cols, theirs.numpy())
    agree(fl.nn.col2im(cols, (9, 11), taps, **options), functional.fold(theirs, (9, 11), taps, **options))


# ---- tensors as arguments


def test_a_tensor_gives_a_tensor(rng):
    x, w, b = layer(rng, "float32", Shape(3, 4, 1), (9, 9), (3, 3))
    want = fl.nn.conv(x, w, b, padding=1)
    got = fl.nn.conv(*tensors(x, w, b), padding=1)
    assert isinstance(got, torch.Tensor) and got.dtype == torch.float32
    np.testing.assert_array_equal(got.numpy(), want)
    assert isinstance(fl.nn.conv(x, *tensors(w, b)), np.ndarray)  # the first decides
    out = torch.empty(2, 4, 9, 9)
    assert fl.nn.conv(*tensors(x, w, b), padding=1, out=out) is out
    np.testing.assert_array_equal(out.numpy(), want)
    plan = fl.nn.plan_conv(x.shape, tensors(w)[0], tensors(b)[0], padding=1, dtype=np.float32)
    assert isinstance(plan(tensors(x)[0]), torch.Tensor)


def test_bfloat16_tensors(rng):
    x, w, _ = layer(rng, "float32", Shape(3, 4, 1), (9, 9), (3, 3))
    x, w = (t.to(torch.bfloat16) for t in tensors(x, w))
    got = fl.nn.conv(x, w)
    assert got.dtype == torch.bfloat16
    theirs = functional.conv2d(x.float(), w.float())
    assert (abs(got.float() - theirs) <= abs(theirs) * 2.0**-8 + 1e-5).all()


def test_channels_last_tensors_are_read_where_they_are(rng):
    x, w, b = layer(rng, "float32", Shape(3, 4, 1), (9, 9), (3, 3))
    tensor = tensors(x)[0].contiguous(memory_format=torch.channels_last)
    got = fl.nn.conv(tensor, *tensors(w, b))
    np.testing.assert_array_equal(got.numpy(), fl.nn.conv(x, w, b))


def test_what_needs_a_gradient_is_refused(rng):
    x, w, _ = layer(rng, "float32", Shape(3, 4, 1), (9, 9), (3, 3))
    for i in range(2):
        given = tensors(x, w)
        given[i].requires_grad_(True)
        with pytest.raises(fl.FaltungError, match=r"faltung\.torch"):
            fl.nn.conv(*given)
