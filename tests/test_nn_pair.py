"""Separable layers in one pass of the core: here all that it takes, whatever is predicted to be faster."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from faltung import _core
from faltung.nn import _pair, _pair_calls
from grids import BFLOAT16, cover, draw
from nn_tools import LAYOUTS, VIEWS, turned, turned_weights
from test_nn_separable import check, pair

SIZE = (12, 9)


@pytest.fixture
def rng():
    return np.random.default_rng(733)


@pytest.fixture
def passes(monkeypatch):
    """What every call was bound to; None where it fell to two calls."""
    seen = []
    known = _pair_calls._known

    def watched(*key):
        seen.append(known(*key))
        return seen[-1]

    monkeypatch.setattr(_pair, "pair_seconds", lambda *_: 0.0)
    monkeypatch.setattr(_pair_calls, "_known", watched)
    fl.clear_cache()
    yield seen
    fl.clear_cache()


@cover(
    dtype=("float32", "float64", "float16", BFLOAT16),
    layout=LAYOUTS,
    stride=(1, 2),
    padding=(0, 1, "same", "full"),
    dilation=(1, 2),
    boundary=("constant", "edge", "wrap"),
    flip=(False, True),
    multiplier=(1, 2),
    channels=(16, 24, 33),
    batch=(None, 1, 3),
    middle=(False, True),
    residual=(False, True),
    mid_activation=(None, "relu6", "silu"),
    activation=(None, "relu", "gelu"),
)
def test_the_grid(
    rng, passes, dtype, layout, stride, padding, dilation, boundary, flip, multiplier, channels, batch,
    middle, residual, mid_activation, activation,
):  # fmt: skip
    x, depthwise, pointwise, b, mid_bias = pair(
        rng, dtype, SIZE, (3, 3), channels, multiplier, 40, batch, layout
    )
    options = {
        "stride": stride, "padding": padding, "dilation": dilation, "boundary": boundary, "flip": flip,
        "layout": layout, "mid_bias": mid_bias if middle else None, "mid_activation": mid_activation,
        "activation": activation,
    }  # fmt: skip
    y = check(x, depthwise, pointwise, b, **options)
    if residual:
        check(x, depthwise, pointwise, b, residual=draw(rng, y.shape, dtype), **options)
    assert len(passes) == 1 + residual and all(passes)


@pytest.fixture
def wide(rng):
    """A layer that is in one pass by itself: x, depthwise, pointwise, b, mid_bias."""
    return pair(rng, "float32", (56, 56), (3, 3), 64, 1, 96, 2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_large_layer_is_one_pass(wide, layout, monkeypatch):
    calls = []
    monkeypatch.setattr("faltung.nn._separable.conv", lambda *a, **k: calls.append(a))
    if _core.isa() == "amx":  # where a matrix unit may make two layers faster
        monkeypatch.setattr(_pair, "pair_seconds", lambda *_: 0.0)
        fl.clear_cache()
    x, depthwise, pointwise, b, mid_bias = wide
    arrays = turned(x, layout), turned_weights(depthwise, layout), turned_weights(pointwise, layout)
    check(*arrays, b, mid_bias=mid_bias, mid_activation="relu6", padding=1, layout=layout)
    assert not calls


def test_the_bits_depend_on_neither_threads_nor_repetition(wide):
    x, depthwise, pointwise, b, mid_bias = wide
    options = {"mid_bias": mid_bias, "padding": 1, "activation": "silu"}
    first = fl.nn.separable_conv(x, depthwise, pointwise, b, workers=1, **options)
    for workers in (1, 2, 3, None):
        y = fl.nn.separable_conv(x, depthwise, pointwise, b, workers=workers, **options)
        np.testing.assert_array_equal(y, first)


def test_out_of_any_steps(wide):
    x, depthwise, pointwise, b, _ = wide
    want = fl.nn.separable_conv(x, depthwise, pointwise, b, padding=1)
    for out in (
        np.empty_like(want),
        np.empty((2, 56, 56, 96), np.float32).transpose(0, 3, 1, 2),
        np.empty((2, 96, 56, 112), np.float32)[..., ::2],
    ):
        assert fl.nn.separable_conv(x, depthwise, pointwise, b, padding=1, out=out) is out
        np.testing.assert_allclose(out, want, rtol=1e-4, atol=1e-4)


def test_out_may_be_the_input(rng):
    x, depthwise, pointwise, b, _ = pair(rng, "float32", (40, 40), (3, 3), 64, 1, 64, 1)
    want = fl.nn.separable_conv(x, depthwise, pointwise, b, padding=1)
    fl.nn.separable_conv(x, depthwise, pointwise, b, padding=1, out=x)
    np.testing.assert_array_equal(x, want)


def test_what_is_not_taken_goes_by_two_calls(rng, passes):
    x, depthwise, pointwise, b, _ = pair(rng, "float32", SIZE, (3, 3), 16, 1, 40, 1)
    check(x, depthwise, pointwise, b, method="reference")
    assert passes == [None]
    for dtype in ("complex64", "int16"):
        a, d, p = (np.rint(2 * array).astype(dtype) for array in (x, depthwise, pointwise))
        two = fl.nn.conv(fl.nn.conv(a, d, groups=16), p)
        np.testing.assert_array_equal(fl.nn.separable_conv(a, d, p), two)
    with pytest.raises(fl.FaltungError, match="`mid_bias` must hold one number"):
        fl.nn.separable_conv(x, depthwise, pointwise, b, mid_bias=np.zeros(3, np.float32))
    with pytest.raises(fl.FaltungError, match="`stride`"):
        fl.nn.separable_conv(x, depthwise, pointwise, b, stride=[0, 1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_numbers_give_equal_bits_wherever_they_lie(rng, passes, layout):
    x, depthwise, pointwise, b, mid_bias = pair(rng, "float32", SIZE, (3, 3), 16, 1, 16, 2, layout)
    options = {"mid_bias": mid_bias, "padding": 1, "layout": layout}
    want = fl.nn.separable_conv(x, depthwise, pointwise, b, **options)
    strewn = np.repeat(b, 2)[::2]
    assert fl.nn.separable_conv(x, depthwise, pointwise, strewn, **options).tobytes() == want.tobytes()
    for view in VIEWS.values():
        got = fl.nn.separable_conv(view(x), view(depthwise), view(pointwise), b, **options)
        assert got.tobytes() == want.tobytes()
    listed = fl.nn.separable_conv(x.tolist(), depthwise, pointwise.tolist(), b, **options)
    assert listed.tobytes() == want.tobytes()
    assert fl.nn.separable_conv(x, depthwise, pointwise, b, out=x, **options) is x
    assert x.tobytes() == want.tobytes() and all(passes)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_prepared_weights_serve_many_runs(rng, passes, dtype, layout):
    x, depthwise, pointwise, b, mid_bias = pair(rng, dtype, SIZE, (3, 3), 16, 1, 40, 2, layout)
    want = fl.nn.separable_conv(x, depthwise, pointwise, b, mid_bias=mid_bias, layout=layout)
    core = passes[0].pair
    assert isinstance(core, _core.LayerPair)
    packed = core.pack(depthwise, pointwise, mid_bias, 1)
    for _ in range(2):
        y = np.empty(want.shape, dtype)
        assert not core.run(x, packed, b, None, y, 1, False)
        np.testing.assert_array_equal(y, want)
    summary = core.summary()
    assert "depthwise" in summary["kernel"] and "gemm" in summary["kernel"]
    assert summary["weight_bytes"] == packed.nbytes
