"""Weights of other conventions: each against its own definition, there and back, and told from outputs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import signal

import faltung as fl
from conftest import peer
from faltung.weights._conventions import CONVENTIONS, KINDS, OTHER_WORDS
from grids import draw

TAPS = {1: (3,), 2: (2, 3), 3: (2, 1, 3)}
SIZES = {1: (6,), 2: (4, 5), 3: (3, 2, 4)}


@pytest.fixture
def rng():
    return np.random.default_rng(77)


# ---- the definitions: the weight that takes input channel i of group g to its output channel o over shift s


def back(s, k):
    """The shift from the other end."""
    return tuple(n - 1 - a for a, n in zip(s, k, strict=True))


# conv: y[go, p] = Σ x[gi, p S + s] link; transpose: y[go, p S + s] += x[gi, p] link. o_ and i_ are the
# channels of one group, m the kernels of one channel.
LINKS = {
    ("torch", "conv"): lambda w, g, o, i, s, k, o_, i_: w[(g * o_ + o, i, *s)],
    ("torch", "transpose"): lambda w, g, o, i, s, k, o_, i_: w[(g * i_ + i, o, *s)],
    # y[p, go] = Σ x[p + h, gi] w[h, i, go]
    ("tensorflow", "conv"): lambda w, g, o, i, s, k, o_, i_: w[(*s, i, g * o_ + o)],
    # output[p, c m + j] = Σ x[p + h, c] w[h, c, j]
    ("tensorflow", "depthwise"): lambda w, g, o, i, s, k, o_, i_: w[(*s, g, o)],
    # the gradient of a convolution with the same filter, from (..., in) to (..., out)
    ("tensorflow", "transpose"): lambda w, g, o, i, s, k, o_, i_: w[(*s, o, i)],
    ("jax", "conv"): lambda w, g, o, i, s, k, o_, i_: w[(*s, i, g * o_ + o)],
    # y[q] = Σ z[q + h - (K - 1)] w[h], z the input with S - 1 zeros between its samples: q - p S = K - 1 - h
    ("jax", "transpose"): lambda w, g, o, i, s, k, o_, i_: w[(*back(s, k), i, o)],
    ("jax_transpose_kernel", "transpose"): lambda w, g, o, i, s, k, o_, i_: w[(*s, o, i)],
    # y[p] = Σ x[p + K - 1 - h] w[h]
    ("theano", "conv"): lambda w, g, o, i, s, k, o_, i_: w[(g * o_ + o, i, *back(s, k))],
    ("theano", "transpose"): lambda w, g, o, i, s, k, o_, i_: w[(g * i_ + i, o, *back(s, k))],
    ("matconvnet", "conv"): lambda w, g, o, i, s, k, o_, i_: w[(*s, i, g * o_ + o)],
    ("matconvnet", "transpose"): lambda w, g, o, i, s, k, o_, i_: w[(*s, o, g * i_ + i)],
    ("matlab", "depthwise"): lambda w, g, o, i, s, k, o_, i_: w[(*s, i, o, g)],
    ("matlab", "transpose"): lambda w, g, o, i, s, k, o_, i_: w[(*s, o, i)],
    ("matlab_conv2", "conv"): lambda w, g, o, i, s, k, o_, i_: w[back(s, k)],
}
SAME = {"onnx": "torch", "caffe": "torch", "lasagne": "theano"}


def link(name, kind, groups):
    name = SAME.get(name, name)
    if name == "matlab" and kind == "conv":
        if groups > 1:
            return lambda w, g, o, i, s, k, o_, i_: w[(*s, i, o, g)]
        return lambda w, g, o, i, s, k, o_, i_: w[(*s, i, o)]
    return LINKS.get((name, kind)) or LINKS[name, "conv"]


def shape(name, kind, groups, inside, outside, taps):
    """The shape of weights, for so many channels of one group."""
    name, (g, i, o) = SAME.get(name, name), (groups, inside, outside)
    return {
        ("torch", False): (g * o, i, *taps), ("torch", True): (g * i, o, *taps),
        ("theano", False): (g * o, i, *taps), ("theano", True): (g * i, o, *taps),
        ("tensorflow", False): (*taps, g, o) if kind == "depthwise" else (*taps, i, g * o),
        ("tensorflow", True): (*taps, o, i), ("jax", False): (*taps, i, g * o), ("jax", True): (*taps, i, o),
        ("jax_transpose_kernel", True): (*taps, o, i), ("matconvnet", False): (*taps, i, g * o),
        ("matconvnet", True): (*taps, o, g * i),
        ("matlab", False): (*taps, i, o, g) if g > 1 or kind == "depthwise" else (*taps, i, o),
        ("matlab", True): (*taps, o, i), ("matlab_conv2", False): taps,
    }[name, kind == "transpose"]  # fmt: skip


def layer(name, kind, x, w, groups, outside, taps, stride=1):
    """A layer of a library by its definition: x (channels, *sizes) to (channels, *outputs)."""
    inside, sizes = len(x) // groups, x.shape[1:]
    transposed = kind == "transpose"
    out = tuple(
        (n - 1) * stride + k if transposed else (n - k) // stride + 1
        for n, k in zip(sizes, taps, strict=True)
    )
    y = np.zeros((groups * outside, *out), x.dtype)
    weight = link(name, kind, groups)
    channels = itertools.product(range(groups), range(outside), range(inside))
    for (g, o, i), s in itertools.product(channels, np.ndindex(*taps)):
        value = weight(w, g, o, i, s, taps, outside, inside)
        for p in np.ndindex(*(sizes if transposed else out)):
            far = tuple(a * stride + b for a, b in zip(p, s, strict=True))
            if transposed:
                y[(g * outside + o, *far)] += x[(g * inside + i, *p)] * value
            else:
                y[(g * outside + o, *p)] += x[(g * inside + i, *far)] * value
    return y


def rows():
    for name, convention in CONVENTIONS.items():
        for kind, rank in itertools.product(convention.forms, (1, 2, 3)):
            if convention.ranks is not None and rank not in convention.ranks:
                continue
            for groups in (1, 2):
                ungrouped = name == "matlab_conv2" or (
                    kind == "transpose" and name in ("tensorflow", "jax", "jax_transpose_kernel", "matlab")
                )
                if groups == 1 or not ungrouped:
                    yield name, kind, rank, groups


ROWS = list(rows())


def example(rng, name, kind, rank, groups):
    inside, outside = (1, 1) if name == "matlab_conv2" else (1, 3) if kind == "depthwise" else (2, 3)
    groups = 4 if kind == "depthwise" and groups > 1 else groups
    w = draw(rng, shape(name, kind, groups, inside, outside, TAPS[rank]), np.int64)
    x = draw(rng, (groups * inside, *SIZES[rank]), np.int64)
    return x, w, groups, outside


@pytest.mark.parametrize(("name", "kind", "rank", "groups"), ROWS)
@pytest.mark.parametrize("stride", [1, 2])
def test_converted_weights_do_what_their_library_does(rng, name, kind, rank, groups, stride):
    x, w, groups, outside = example(rng, name, kind, rank, groups)
    want = layer(name, kind, x, w, groups, outside, TAPS[rank], stride)
    ours = fl.weights.convert(w, name, "torch", kind=kind, groups=groups)
    assert ours.shape == shape("torch", kind, groups, len(x) // groups, outside, TAPS[rank])
    got = layer("torch", kind, x, ours, groups, outside, TAPS[rank], stride)
    assert np.array_equal(got, want)
    run = fl.nn.conv_transpose if kind == "transpose" else fl.nn.conv
    assert np.array_equal(run(x, ours, groups=groups, stride=stride), want)


@pytest.mark.parametrize(("name", "kind", "rank", "groups"), ROWS)
@pytest.mark.parametrize("dtype", ["float32", "int8", "complex128", "bool"])
def test_there_and_back_is_the_same_array(rng, name, kind, rank, groups, dtype):
    _, w, groups, _ = example(rng, name, kind, rank, groups)
    w = w.astype(dtype)
    if dtype == "float32":
        w.flat[0], w.flat[1] = np.nan, -0.0
    for other, convention in CONVENTIONS.items():
        if kind not in convention.forms or (convention.ranks and rank not in convention.ranks):
            continue
        try:
            there = fl.weights.convert(w, name, other, kind=kind, groups=groups)
        except fl.FaltungError as refusal:
            assert groups > 1 or other == "matlab_conv2", str(refusal)
            continue
        assert there.dtype == w.dtype and there.flags.c_contiguous and not np.shares_memory(there, w)
        back_again = fl.weights.convert(there, other, name, kind=kind, groups=groups)
        assert back_again.shape == w.shape and back_again.tobytes() == w.tobytes()


def test_every_pair_of_conventions_agrees_with_the_way_through_torch(rng):
    for kind in KINDS:
        w = draw(rng, (4, 1 if kind == "depthwise" else 2, 2, 3), np.float64)
        names = [n for n, c in CONVENTIONS.items() if kind in c.forms and n != "matlab_conv2"]
        forms = {n: fl.weights.convert(w, "torch", n, kind=kind) for n in names}
        for a, b in itertools.product(names, names):
            assert np.array_equal(fl.weights.convert(forms[a], a, b, kind=kind), forms[b])


# ---- definitions written otherwise


def test_lax_transposed_slides_over_the_zero_filled_input(rng):
    x, w = draw(rng, (1, 2, 4, 5), np.int64), draw(rng, (2, 3, 2, 3), np.int64)  # HWIO
    filled = np.zeros((1, 2, 7, 13), np.int64)
    filled[:, :, ::2, ::3] = x
    sliding = fl.nn.conv(filled, np.moveaxis(w, (3, 2), (0, 1)), padding=((1, 1), (2, 2)))
    torch_form = fl.weights.convert(w, "jax", "torch", kind="transpose")
    assert np.array_equal(fl.nn.conv_transpose(x, torch_form, stride=(2, 3)), sliding)


def test_theanos_transpose_is_that_of_its_layer(rng):
    """<A x, g> = <x, Aᵀ g>, where A is Theano's convolution."""
    x, g = draw(rng, (2, 6), np.int64), draw(rng, (3, 4), np.int64)
    w = draw(rng, (3, 2, 3), np.int64)
    forward = fl.nn.conv(x, w, flip=True)
    transposed = fl.nn.conv_transpose(g, fl.weights.convert(w, "theano", "torch", kind="transpose"))
    assert (forward * g).sum() == (x * transposed).sum()


def test_matlabs_conv2_is_scipys_convolution(rng):
    x, w = draw(rng, (6, 7), np.float64), draw(rng, (3, 2), np.float64)
    want = signal.convolve2d(x, w, mode="valid")
    ours = fl.weights.convert(w, "matlab_conv2", "torch")
    np.testing.assert_allclose(fl.nn.conv(x[None], ours)[0], want, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("groups", [1, 2])
def test_against_torch_itself(rng, groups):
    torch = peer("torch")
    functional = torch.nn.functional
    x = draw(rng, (2, 4, 5, 6), np.float64)
    inside = 4 // groups
    w = draw(rng, (6, inside, 2, 3), np.float64)
    flat = fl.weights.convert(w, "theano", "torch", groups=groups)
    theirs = functional.conv2d(torch.from_numpy(x), torch.from_numpy(flat), groups=groups).numpy()
    np.testing.assert_allclose(fl.nn.conv(x, w, flip=True, groups=groups), theirs, rtol=1e-12, atol=1e-12)
    w = draw(rng, shape("matconvnet", "transpose", groups, inside, 3, (2, 3)), np.float64)
    turned = torch.from_numpy(fl.weights.convert(w, "matconvnet", "torch", kind="transpose", groups=groups))
    got = functional.conv_transpose2d(torch.from_numpy(x), turned, stride=2, groups=groups).numpy()
    want = np.stack([layer("matconvnet", "transpose", item, w, groups, 3, (2, 3), 2) for item in x])
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["conv", "transpose"])
def test_against_onnxruntime_itself(rng, kind):
    onnx, runtime = peer("onnx"), peer("onnxruntime")
    from onnx import TensorProto, helper

    x = draw(rng, (1, 4, 5, 6), np.float32)
    w = draw(rng, shape("theano", kind, 2, 2, 3, (2, 3)), np.float32)
    theirs = fl.weights.convert(w, "theano", "onnx", kind=kind, groups=2)
    operator = {"conv": "Conv", "transpose": "ConvTranspose"}[kind]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"], group=2, strides=[2, 2])], "g",
        [value("x", TensorProto.FLOAT, x.shape), value("w", TensorProto.FLOAT, theirs.shape)],
        [value("y", TensorProto.FLOAT, [None] * 4)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"x": x, "w": theirs})
    want = layer("theano", kind, x[0].astype(np.float64), w.astype(np.float64), 2, 3, (2, 3), 2)
    np.testing.assert_allclose(got[0], want, rtol=1e-4, atol=1e-4)


def test_the_layouts_of_our_layers(rng):
    """channels_last takes jax's layers and depthwise layers, and TensorFlow's transposed ones."""
    x, w = draw(rng, (2, 4, 5, 6), np.int64), draw(rng, (8, 2, 2, 3), np.int64)
    want = fl.nn.conv(x, w, groups=2)
    last = fl.weights.convert(w, "torch", "jax", groups=2)
    got = fl.nn.conv(np.moveaxis(x, 1, -1), last, groups=2, layout="channels_last")
    assert np.array_equal(np.moveaxis(got, -1, 1), want)
    deep = draw(rng, (8, 1, 2, 3), np.int64)
    want = fl.nn.conv(x, deep, groups=4)
    for name in ("jax", "tensorflow"):
        form = fl.weights.convert(deep, "torch", name, kind="depthwise", groups=4)
        form = form.reshape(2, 3, 1, 8)  # tensorflow's (H, W, C, m), as the docs say
        got = fl.nn.conv(np.moveaxis(x, 1, -1), form, groups=4, layout="channels_last")
        assert np.array_equal(np.moveaxis(got, -1, 1), want)


def test_the_layout_of_our_transposed_layers(rng):
    x, w = draw(rng, (2, 4, 5, 6), np.int64), draw(rng, (4, 3, 2, 3), np.int64)
    want = fl.nn.conv_transpose(x, w, stride=2)
    last = fl.weights.convert(w, "torch", "tensorflow", kind="transpose")
    got = fl.nn.conv_transpose(np.moveaxis(x, 1, -1), last, stride=2, layout="channels_last")
    assert np.array_equal(np.moveaxis(got, -1, 1), want)
    flipped = fl.weights.convert(w, "torch", "theano", kind="transpose")
    assert np.array_equal(fl.nn.conv_transpose(x, flipped, stride=2, flip=True), want)


def test_kinds_of_arrays(rng):
    assert fl.weights.convert([[[1, 2, 3]]], "torch", "theano").tolist() == [[[3, 2, 1]]]
    torch = peer("torch")
    w = torch.arange(12.0, dtype=torch.bfloat16).reshape(1, 2, 2, 3)
    got = fl.weights.convert(w, "torch", "tensorflow")
    assert isinstance(got, torch.Tensor) and got.dtype == torch.bfloat16 and got.shape == (2, 3, 2, 1)


def test_depthwise_without_groups_has_one_kernel_a_channel():
    w = np.zeros((6, 1, 3, 3))
    assert fl.weights.convert(w, "torch", "tensorflow", kind="depthwise").shape == (3, 3, 6, 1)
    assert fl.weights.convert(w, "torch", "tensorflow", kind="depthwise", groups=2).shape == (3, 3, 2, 3)
    assert fl.weights.convert(w, "torch", "matlab", kind="depthwise", groups=2).shape == (3, 3, 1, 3, 2)


# ---- errors


def refused(words, call, *arguments, **options):
    with pytest.raises(ValueError) as caught:
        call(*arguments, **options)
    assert isinstance(caught.value, fl.FaltungError)
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"


def zeros(*sizes):
    return np.zeros(sizes)


WEIGHTS = zeros(4, 2, 3, 3)


@pytest.mark.parametrize(
    ("w", "source", "target", "options", "words"),
    [
        (WEIGHTS, "cntk", "torch", {}, ["`source` (='cntk')", "no convention", "torch", "caffe"]),
        (WEIGHTS, "torch", "keras", {}, ["`target` (='keras')", "that is 'tensorflow' here"]),
        (WEIGHTS, "Torch", "onnx", {}, ["`source` (='Torch')", "that is 'torch' here"]),
        (WEIGHTS, None, "onnx", {}, ["`source` (=None)"]),
        (WEIGHTS, "torch", "onnx", {"kind": "deconv"}, ["`kind` (='deconv')", "'transpose'"]),
        (WEIGHTS, "torch", "jax_transpose_kernel", {}, ["`target`", "no weights of `kind` 'conv'"]),
        (zeros(3, 3), "matlab_conv2", "torch", {"kind": "depthwise"}, ["'depthwise'", "it has conv"]),
        (WEIGHTS, "torch", "jax", {"groups": 3}, ["4 output channels", "(4, 2, 3, 3)"]),
        (WEIGHTS, "torch", "onnx", {"groups": 0}, ["`groups` (=0)"]),
        (WEIGHTS, "torch", "onnx", {"kind": "transpose", "groups": 3}, ["4 input channels"]),
        (zeros(3, 3, 2, 4), "tensorflow", "torch", {"kind": "transpose", "groups": 2}, ["`groups` (=2)"]),
        (WEIGHTS, "torch", "jax", {"kind": "transpose", "groups": 2}, ["`target` (='jax')", "2 groups"]),
        (zeros(4, 1, 3, 3), "torch", "onnx", {"kind": "depthwise", "groups": 3}, ["4 kernels"]),
        (WEIGHTS, "torch", "onnx", {"kind": "depthwise"}, ["2 input channels a group", "kind='conv'"]),
        (zeros(3, 3, 4, 2), "tensorflow", "torch", {"kind": "depthwise", "groups": 2}, ["must be 4"]),
        (zeros(4, 2, 3), "torch", "matconvnet", {}, ["`target` (='matconvnet')", "2 spatial axes", "has 1"]),
        (zeros(4, 2, 3, 3, 3, 3), "torch", "onnx", {}, ["`source` (='torch')", "1, 2 or 3", "has 4"]),
        (zeros(4, 2), "onnx", "jax", {}, ["`w` has 2 axes", "at least 3", "(4, 2)"]),
        (WEIGHTS, "torch", "matlab_conv2", {}, ["`target` (='matlab_conv2')", "4 output channels"]),
        (zeros(1, 2, 3, 3), "torch", "matlab_conv2", {}, ["`target` (='matlab_conv2')", "2 input channels"]),
    ],
)  # fmt: skip
def test_errors(w, source, target, options, words):
    refused(words, fl.weights.convert, w, source, target, **options)


def test_words_of_others_lead_to_ours():
    assert set(OTHER_WORDS.values()) <= set(CONVENTIONS)
    assert all(convention.source for convention in CONVENTIONS.values())


# ---- telling the convention from an output


def made(rng, dtype, taps=(3, 2), groups=1, layout="channels_first"):
    x = draw(rng, (2, 4, *(6 + n for n in range(len(taps)))), dtype)
    w = draw(rng, (4, 4 // groups, *taps), dtype)
    if layout == "channels_last":
        return np.moveaxis(x, 1, -1).copy(), np.moveaxis(w, (0, 1), (-1, -2)).copy()
    return x, w


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "complex64", "complex128", "int8", "int32", "float16"]
)
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("flip", [False, True])
def test_flips_are_told(rng, dtype, layout, flip):
    x, w = made(rng, dtype, layout=layout)
    options = {"stride": (1, 2), "padding": 1, "dilation": 2, "layout": layout}
    y = fl.nn.conv(x, w, flip=flip, **options)
    found = fl.weights.detect_flip(x, w, y, **options)
    assert found.flip is flip and len(found.matches) == 1
    best = found.matches[0]
    assert best is found.candidates[0] and best.name == ("convolution" if flip else "correlation")
    assert best.residual < 1e-3 < found.candidates[1].residual and found.candidates[1].worst > 10
    np.testing.assert_array_equal(fl.nn.conv(x, best.apply(w, layout), **options), y)


@pytest.mark.parametrize("taps", [(3,), (3, 3), (2, 3), (2, 3, 2)])
def test_every_reading_is_told(rng, taps):
    """Axes in another order, taps flipped along some, channels swapped: the weights are undone."""
    rank = len(taps)
    x = draw(rng, (2, 4, *(8,) * rank), np.float32)
    right = draw(rng, (4, 4, *taps), np.float32)
    y = fl.nn.conv(x, right)
    for order in itertools.permutations(range(rank)):
        for flipped in itertools.chain.from_iterable(
            itertools.combinations(range(rank), n) for n in range(rank + 1)
        ):
            for swapped in (False, True):
                given = np.flip(right, [2 + n for n in flipped])
                given = given.transpose(
                    *((1, 0) if swapped else (0, 1)), *(2 + int(n) for n in np.argsort(order))
                )
                found = fl.weights.detect_flip(x, given, y)
                (best,) = found.matches
                assert (best.order, best.flipped, best.swapped) == (order, flipped, swapped)
                assert np.array_equal(best.apply(given), right)
                want = {0: False, rank: True}.get(len(flipped))
                assert found.flip is want
                assert ("swapped" in best.name) == swapped and ("order" in best.name) == (
                    order != tuple(range(rank))
                )


def test_that_none_does(rng):
    x, w = made(rng, "float32")
    y = fl.nn.conv(x, draw(rng, w.shape, np.float32))
    found = fl.weights.detect_flip(x, w, y)
    assert found.flip is None and not found.matches and len(found.candidates) == 8
    assert found.candidates[0].residual > 0.1
    assert str(found).startswith("no reading reproduces `y`; the nearest is ")
    nearly = fl.nn.conv(x, w) * np.float32(1.001)
    assert not fl.weights.detect_flip(x, w, nearly).matches


def test_taps_that_cannot_tell(rng):
    """A kernel that is its own mirror image."""
    x, w = made(rng, "float64")
    w = w + w[..., ::-1, ::-1]
    found = fl.weights.detect_flip(x, w, fl.nn.conv(x, w))
    assert found.flip is None and {c.name for c in found.matches} == {"correlation", "convolution"}
    assert "2 readings reproduce `y`, which cannot tell them apart: correlation and convolution" in str(found)
    assert fl.weights.detect_flip(x, w[..., :1, :1], fl.nn.conv(x, w[..., :1, :1])).flip is False


def test_groups_biases_and_boundaries(rng):
    x, w = made(rng, "float32", groups=2)
    b = draw(rng, (4,), np.float32)
    options = {"groups": 2, "padding": 1, "boundary": "reflect"}
    y = fl.nn.conv(x, w, b, flip=True, **options)
    found = fl.weights.detect_flip(x, w, y, b, **options)
    assert found.flip is True and not any(c.swapped for c in found.candidates)
    assert fl.weights.detect_flip(x, w, y, **options).flip is None


def test_long_sums_have_their_tolerance(rng):
    """A plain chain of float32 products is within it, another reading is not."""
    x, w = rng.random((1, 512, 5, 5), np.float32), rng.random((4, 512, 3, 3), np.float32)
    y = np.zeros((1, 4, 3, 3), np.float32)
    for c, h, k in itertools.product(range(512), range(3), range(3)):
        y += x[:, c, None, h : h + 3, k : k + 3] * w[None, :, c, h, k, None, None]
    found = fl.weights.detect_flip(x, w, y)
    assert found.flip is False and found.candidates[0].worst > 1e-3


def test_against_a_torch_layer(rng):
    torch = peer("torch")
    x, w = made(rng, "float32")
    theirs = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(w), stride=2)
    assert fl.weights.detect_flip(x, w, theirs, stride=2).flip is False
    half = torch.nn.functional.conv2d(torch.from_numpy(x).bfloat16(), torch.from_numpy(w).bfloat16())
    x16, w16 = (torch.from_numpy(a).bfloat16() for a in (x, w))
    found = fl.weights.detect_flip(x16, w16, half)
    assert found.flip is False
    assert isinstance(found.matches[0].apply(w16), torch.Tensor)


def test_errors_of_detection(rng):
    x, w = made(rng, "float32")
    y = fl.nn.conv(x, w)
    detect = fl.weights.detect_flip
    refused(["`y` must have the shape", "(2, 4, 4, 6)", "(2, 4, 4, 5)"], detect, x, w, y[..., :5])
    refused(["`w`", "channels"], detect, x, w[:3, :3], y)
    refused(["`w` has 2 axes"], detect, x, w[:, :, 0, 0], y)
    refused(["`groups` (=3)"], detect, x, w, y, groups=3)
    refused(["`y` is empty", "(0, 4, 4, 6)"], detect, x, w, y[:0])
    refused(["`x` holds a value that is not finite"], detect, x * np.nan, w, y)
    refused(["`layout` (='NHWC')"], detect, x, w, y, layout="NHWC")
    with pytest.raises(TypeError, match="`w` has data type"):
        detect(x, np.full(w.shape, "a"), y)


def test_scales(rng):
    """An output of zeros has no relative residual."""
    x, w = made(rng, "float64")
    found = fl.weights.detect_flip(x, np.zeros_like(w), np.zeros_like(fl.nn.conv(x, w)))
    assert math.isfinite(found.candidates[0].residual) and found.flip is None
