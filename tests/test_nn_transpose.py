"""The values of transposed layers over the option grid, by every method that takes a problem; the adjoint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from grids import BFLOAT16, COMPLEX, INTEGERS, cover, draw
from nn_tools import ACTIVATIONS, BYTES, KINDS, LAYOUTS, VIEWS, Shape, turned
from nn_transposed import METHODS, by_every_method, check, layer, oracle, planned, residual_for, runs_by

SIZES = {1: (17,), 2: (6, 7), 3: (4, 3, 5), 4: (2, 3, 2, 2)}
TAPS = {1: (5,), 2: (3, 4), 3: (2, 3, 3), 4: (2, 1, 3, 2)}
DTYPES = ("float32", "float64", "float16", BFLOAT16, "complex64", "complex128", "int8", "int32")
PADDINGS = (0, 1, "per axis", "pairs", "valid", "same", "same_lower", "full")


@pytest.fixture
def rng():
    return np.random.default_rng(405)


def padding_of(how, taps, dilations):
    """A padding by its name in the grid, that leaves an output of every size in it."""
    if how == "per axis":
        return tuple(min(i, d * (k - 1)) for i, (k, d) in enumerate(zip(taps, dilations, strict=True)))
    if how == "pairs":
        return tuple((min(i, k - 1), k - 1) for i, k in enumerate(taps))
    return how


@cover(
    rank=(1, 2, 3, 4),
    layout=LAYOUTS,
    dtype=DTYPES,
    stride=(1, 2, 3, "per axis"),
    padding=PADDINGS,
    extra=(0, "stride", "dilation"),
    dilation=(1, 2, 3),
    kind=KINDS,
    flip=(False, True),
    bias=(False, True),
    residual=(False, True),
    activation=ACTIVATIONS,
    batch=(None, 0, 1, 3),
    channels=(1, 3, 8),
)
def test_the_grid(
    rng, rank, layout, dtype, stride, padding, extra, dilation, kind, flip, bias, residual, activation, batch,
    channels,
):  # fmt: skip
    taps = TAPS[rank]
    strides = tuple(1 + i % 3 for i in range(rank)) if stride == "per axis" else (stride,) * rank
    # "full" crops what the kernel reaches.
    sizes = tuple(
        max(n, 2 + dilation * (k - 1) // s) for n, k, s in zip(SIZES[rank], taps, strides, strict=True)
    )
    more = {"stride": tuple(s - 1 for s in strides), "dilation": dilation - 1}.get(extra, 0)
    if isinstance(padding, str) and padding.startswith("same"):
        more = 0  # which says how large the output is
    shape = Shape.of(kind, channels, 4)
    x, w, b = layer(rng, dtype, shape, sizes, taps, batch, layout)
    if x.dtype.kind in "iuc":
        clips = x.dtype.kind != "c" and activation in ("relu", "relu6", ("clip", -1.0, 2.0))
        activation = activation if clips else None
    options = {
        "stride": strides, "padding": padding_of(padding, taps, (dilation,) * rank), "output_padding": more,
        "dilation": dilation, "groups": shape.groups, "layout": layout, "flip": flip,
    }  # fmt: skip
    if residual:
        options["residual"] = residual_for(rng, x, w, **options)
    by_every_method(x, w, b if bias else None, activation=activation, **options)


@st.composite
def problems(draw_from):
    """Any geometry of any rank, small."""
    rank = draw_from(st.integers(1, 3))
    axis = lambda low, high: st.tuples(*[st.integers(low, high)] * rank)  # noqa: E731
    taps, strides, dilations = draw_from(axis(1, 5)), draw_from(axis(1, 4)), draw_from(axis(1, 4))
    sizes = draw_from(axis(1, 6))
    most = [(n - 1) * s + d * (k - 1) for n, k, s, d in zip(sizes, taps, strides, dilations, strict=True)]
    low = [draw_from(st.integers(0, n)) for n in most]
    high = [draw_from(st.integers(0, n - lo)) for n, lo in zip(most, low, strict=True)]
    extra = [draw_from(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations, strict=True)]
    groups, inside, outside = (draw_from(st.integers(1, 3)) for _ in range(3))
    return {
        "shape": Shape(groups * inside, groups * outside, groups),
        "sizes": sizes,
        "taps": taps,
        "options": {
            "stride": strides,
            "padding": tuple(zip(low, high, strict=True)),
            "output_padding": tuple(extra),
            "dilation": dilations,
            "groups": groups,
            "layout": draw_from(st.sampled_from(LAYOUTS)),
            "flip": draw_from(st.booleans()),
        },
    }


@given(problems(), st.sampled_from(("float32", "float64", "int16", "complex64")), st.booleans())
def test_any_geometry(problem, dtype, batched):
    rng = np.random.default_rng(406)
    x, w, b = layer(
        rng, dtype, problem["shape"], problem["sizes"], problem["taps"], 2 if batched else None,
        problem["options"]["layout"],
    )  # fmt: skip
    by_every_method(x, w, b, **problem["options"])


# ---- the adjoint


@given(problems(), st.sampled_from(("float64", "int64")))
def test_it_is_the_transpose_of_conv(problem, dtype):
    """⟨Ax, y⟩ = ⟨x, Aᵀy⟩ where y has the size that A gives, and x the size of Aᵀy."""
    rng = np.random.default_rng(407)
    options = problem["options"]
    y, w, _ = layer(rng, dtype, problem["shape"], problem["sizes"], problem["taps"], 2, options["layout"])
    try:
        spec = fl.nn.plan_conv_transpose(y.shape, w, dtype=y.dtype, **options).spec.transpose()
    except fl.FaltungError as error:
        assert "has no adjoint" in str(error)  # more output padding than the forward layer can leave unseen
        return
    back = fl.nn.conv_transpose(y, w, **options)
    x = draw(rng, back.shape, dtype, "small")
    forward = {name: options[name] for name in ("stride", "dilation", "groups", "layout", "flip")}
    ahead = fl.nn.conv(x, w, padding=spec.padding, **forward)
    assert ahead.shape == y.shape
    left, right = (ahead * y).sum(), (x * back).sum()
    if y.dtype.kind == "i":
        assert left == right
    else:
        assert abs(left - right) <= 1e-12 * (abs(ahead) * abs(y)).sum()


def test_complex_numbers_are_not_conjugated(rng):
    for dtype in COMPLEX:
        y, w, _ = layer(rng, dtype, Shape(3, 4, 1), (5, 6), (3, 2))
        back = fl.nn.conv_transpose(y, w, stride=2)
        x = draw(rng, back.shape, dtype, "small")
        left = (fl.nn.conv(x, w, stride=2) * y).sum()
        np.testing.assert_allclose(left, (x * back).sum(), rtol=100 * np.finfo(dtype).eps)


# ---- types


@cover(
    dtype=(*INTEGERS, "float16", BFLOAT16),
    kind=KINDS,
    stride=(1, 2, 3),
    overflow=("raise", "wrap", "saturate"),
    residual=(False, True),
    layout=LAYOUTS,
)
def test_types_over_their_range(rng, dtype, kind, stride, overflow, residual, layout):
    shape = Shape.of(kind, 3, 4)
    x, w, b = layer(rng, dtype, shape, (4, 5), (2, 3), 2, layout, "wide")
    options = {"groups": shape.groups, "stride": stride, "layout": layout}
    if residual:
        options["residual"] = residual_for(rng, x, w, "wide", **options)
    if x.dtype.kind not in "iu":
        overflow = "raise"
    by_every_method(x, w, b, overflow=overflow, **options)


@cover(x_dtype=BYTES, w_dtype=BYTES, kind=KINDS, stride=(1, 2), zero=("none", "one", "each"), layout=LAYOUTS)
def test_bytes_and_their_zero_points(rng, x_dtype, w_dtype, kind, stride, zero, layout):
    shape = Shape.of(kind, 3, 4)
    x, _, b = layer(rng, x_dtype, shape, (4, 5), (3, 3), 2, layout, "wide")
    _, w, _ = layer(rng, w_dtype, shape, (4, 5), (3, 3), 2, layout, "wide")
    options = {"groups": shape.groups, "stride": stride, "padding": 1, "layout": layout}
    if zero != "none":
        info = np.iinfo(w_dtype)
        points = rng.integers(info.min, info.max, shape.outside if zero == "each" else 1).tolist()
        options |= {"x_zero_point": 7, "w_zero_point": points}
    assert check(x, w, b, **options).dtype == np.int32
    by_every_method(x, w, b, **options)


def test_an_overflow_names_its_place_and_its_value():
    x, w = np.zeros((1, 1, 3), np.int16), np.ones((1, 2, 2), np.int16)
    x[0, 0, 1], w[0, 1, 0] = 20_000, 2
    with pytest.raises(OverflowError, match=r"at index \(0, 1, 2\) is 40000") as caught:
        fl.nn.conv_transpose(x, w, stride=2)
    assert isinstance(caught.value, fl.FaltungError)
    assert fl.nn.conv_transpose(x, w, stride=2, overflow="saturate")[0, 1, 2] == 32767


def test_an_output_that_nothing_reaches_may_overflow_and_its_neighbours_not():
    """Bias and residual alone are too large where no tap falls, and where one falls it brings them back."""
    x, w = np.full((1, 1, 3), -1, np.int16), np.full((1, 1, 1), 9, np.int16)
    b, r = np.array([32_760], np.int16), np.full((1, 1, 5), 8, np.int16)
    with pytest.raises(OverflowError, match=r"at index \(0, 0, 1\) is 32768"):
        fl.nn.conv_transpose(x, w, b, stride=2, residual=r)
    r[..., 1::2] = 7
    got = fl.nn.conv_transpose(x, w, b, stride=2, residual=r)
    assert got.tolist() == [[[32759, 32767, 32759, 32767, 32759]]]


# ---- shapes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_longer_than_the_kernel(rng, kind, layout):
    """Most outputs are bias, residual and activation alone."""
    shape = Shape.of(kind, 3, 4)
    for sizes, taps, stride in [((4, 5), (1, 1), 2), ((3, 4), (2, 3), 5), ((6,), (3,), 50)]:
        x, w, b = layer(rng, "float32", shape, sizes, taps, 2, layout)
        options = {"stride": stride, "groups": shape.groups, "layout": layout}
        r = residual_for(rng, x, w, **options)
        by_every_method(x, w, b, residual=r, activation="silu", **options)
        by_every_method(x, w, None, output_padding=stride - 1, **options)


@pytest.mark.parametrize("dilation", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6])
def test_strides_and_dilations_with_common_divisors(rng, stride, dilation):
    for taps in (1, 2, 3, 6):
        x, w, b = layer(rng, "float64", Shape(2, 3, 1), (5,), (taps,))
        for extra in {0, max(stride, dilation) - 1}:
            by_every_method(x, w, b, stride=stride, dilation=dilation, output_padding=extra)


def test_padding_that_crops_nearly_everything(rng):
    x, w, b = layer(rng, "float32", Shape(2, 3, 1), (5, 6), (3, 4))
    for pad in [((14, 0), (0, 0)), ((0, 14), (17, 1)), ((7, 7), (0, 18))]:
        assert 1 in by_every_method_shape(x, w, b, stride=(3, 3), padding=pad)


def by_every_method_shape(x, w, b, **options):
    by_every_method(x, w, b, **options)
    return oracle(x, w, b, **options).shape


NETWORKS = (
    ((16, 16), (4, 4), {"stride": 2, "padding": 1}),
    ((14, 15), (2, 2), {"stride": 2}),
    ((9, 20), (3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ((40,), (16,), {"stride": 8, "padding": 4}),
    ((5, 6), (16, 16), {"stride": 8}),
    ((4, 5, 6), (2, 2, 2), {"stride": 2}),
    ((7, 8), (5, 5), {"stride": 2, "padding": 2, "output_padding": 1}),
    ((7, 8), (4, 4), {"stride": (2, 1), "padding": 1}),
    ((30,), (24,), {"stride": 6, "padding": 12}),
)


@cover(
    network=NETWORKS,
    kind=KINDS,
    layout=LAYOUTS,
    dtype=("float32", "float64", "float16", "int8", "complex64"),
    channels=((5, 3), (17, 20), (40, 1)),
)
def test_layers_of_networks(rng, network, kind, layout, dtype, channels):
    sizes, taps, geometry = network
    shape = Shape.of(kind, *channels)
    x, w, b = layer(rng, dtype, shape, sizes, taps, 2, layout)
    options = geometry | {"groups": shape.groups, "layout": layout}
    check(x, w, b, **options)
    x, w, b = layer(rng, dtype, Shape.of(kind, 3, 2), sizes, taps, 1, layout)
    options["groups"] = Shape.of(kind, 3, 2).groups
    r = residual_for(rng, x, w, **options)
    by_every_method(x, w, b, residual=r, activation=None if x.dtype.kind == "c" else "relu", **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_an_empty_batch_gives_an_empty_result(rng, layout, method):
    x, w, b = layer(rng, "float32", Shape(4, 6, 1), (5, 6), (3, 3), 0, layout)
    if runs_by(method, x, w, b, layout=layout, stride=2):
        got = fl.nn.conv_transpose(x, w, b, layout=layout, stride=2, method=method)
        assert got.shape == ((0, 6, 11, 13) if layout == "channels_first" else (0, 11, 13, 6))


MUST = [("gemm", "dense"), ("gemm", "grouped"), ("depthwise", "depthwise"), ("grouped", "grouped")]


@pytest.mark.parametrize(("method", "kind"), MUST)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", BFLOAT16, "int8"], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_method_takes_what_it_is_for(rng, method, kind, dtype, layout):
    shape = Shape.of(kind, 8, 6)
    x, w, b = layer(rng, dtype, shape, (6, 7), (4, 4), 2, layout)
    options = {"stride": 2, "padding": 1, "groups": shape.groups, "layout": layout}
    assert runs_by(method, x, w, b, **options)
    assert planned(x, w, b, "auto", **options).method != "reference"


# ---- memory


@cover(view=VIEWS, weights=VIEWS, residual=VIEWS, layout=LAYOUTS, kind=KINDS, stride=(1, 2, 3),
       dtype=("float32", "float64", "float16", "int8", "complex64"))  # fmt: skip
def test_views(rng, view, weights, residual, layout, kind, stride, dtype):
    shape = Shape.of(kind, 7, 4)
    x, w, b = layer(rng, dtype, shape, (5, 6), (3, 4), 2, layout)
    options = {"padding": 1, "layout": layout, "groups": shape.groups, "stride": stride}
    r = residual_for(rng, x, w, **options)
    plain = {method: bits(method, x, w, b, residual=r, **options) for method in METHODS}
    x, w, r = VIEWS[view](x), VIEWS[weights](w), VIEWS[residual](r)
    b = np.repeat(b, 2)[::2]
    for method in by_every_method(x, w, b, residual=r, **options):
        assert bits(method, x, w, b, residual=r, **options) == plain[method], method


def bits(method, x, w, b, **options):
    """The bytes of a result, None where the method refuses."""
    try:
        return fl.nn.conv_transpose(x, w, b, method=method, **options).tobytes()
    except fl.FaltungError:
        return None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [view for view in VIEWS if view != "read-only"])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_out_of_any_strides(rng, layout, kind, how, stride):
    shape = Shape.of(kind, 8, 16)
    x, w, b = layer(rng, "float32", shape, (6, 5), (4, 4), 2, layout)
    options = {"padding": 1, "layout": layout, "groups": shape.groups, "stride": stride, "activation": "relu"}
    want = oracle(x, w, b, **options)
    for method in METHODS:
        expected = bits(method, x, w, b, **options)
        if expected is None:
            continue
        out = VIEWS[how](np.full(want.shape, 7, np.float32))
        surroundings = out.base
        assert fl.nn.conv_transpose(x, w, b, out=out, method=method, **options) is out
        assert out.tobytes() == expected, method
        if how == "spread out":
            out[...] = 0
            assert not surroundings.any(), "wrote between the elements"


def test_out_may_overlap_its_inputs(rng):
    large = draw(rng, (3, 4, 9, 9), np.float32)
    w = draw(rng, (4, 4, 3, 3), np.float32)
    x, out = large[:2], large[1:]
    want = fl.nn.conv_transpose(x.copy(), w, padding=1)
    assert fl.nn.conv_transpose(x, w, padding=1, out=out) is out
    assert out.tobytes() == want.tobytes()


def test_memory_formats_give_the_same_bits(rng):
    x, w, b = layer(rng, "float32", Shape(8, 12, 1), (7, 9), (4, 4))
    want = fl.nn.conv_transpose(x, w, b, stride=2, padding=1)
    memory = np.moveaxis(turned(x, "channels_last"), -1, 1)
    assert fl.nn.conv_transpose(memory, w, b, stride=2, padding=1).tobytes() == want.tobytes()
