"""Plans of depthwise separable layers: the same answers as the calls, in one pass and by two plans."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import faltung as fl
from faltung.nn import _pair
from grids import BFLOAT16, BOUNDARIES, cover, draw
from nn_tools import LAYOUTS, VIEWS
from test_nn_separable import FIRST, definition, pair

SIZE = (12, 9)


@pytest.fixture
def rng():
    return np.random.default_rng(821)


@pytest.fixture
def arrays(rng):
    """x, depthwise, pointwise, b, mid_bias."""
    return pair(rng, "float32", SIZE, (3, 3), 24, 1, 40, 2)


@pytest.fixture(params=["fused", "two plans"])
def way(request, monkeypatch):
    """One pass wherever there is one, or never."""
    seconds = 1e-9 if request.param == "fused" else 1e9
    monkeypatch.setattr(_pair, "pair_seconds", lambda *_: seconds)
    fl.clear_cache()
    yield request.param
    fl.clear_cache()


def planned(x, depthwise, pointwise, b=None, **options):
    """A plan for these arrays; a residual is no option of it."""
    options.pop("residual", None)
    return fl.nn.plan_separable_conv(x.shape, depthwise, pointwise, b, dtype=x.dtype, **options)


@cover(
    dtype=("float32", "float64", "float16", BFLOAT16, "complex64", "int16"),
    layout=LAYOUTS,
    boundary=BOUNDARIES,
    stride=(1, 2),
    padding=(0, 1, "same"),
    multiplier=(1, 2),
    batch=(None, 0, 2),
    bias=(False, True),
    middle=(False, True),
    residual=(False, True),
    method=("auto", "reference"),
    flip=(False, True),
)
def test_a_plan_gives_the_same_bits_as_the_call(
    rng, way, dtype, layout, boundary, stride, padding, multiplier, batch, bias, middle, residual, method,
    flip,
):  # fmt: skip
    x, depthwise, pointwise, b, mid_bias = pair(rng, dtype, SIZE, (3, 3), 17, multiplier, 20, batch, layout)
    options = {
        "stride": stride, "padding": padding, "boundary": boundary, "flip": flip, "layout": layout,
        "method": method, "mid_bias": mid_bias if middle else None,
    }  # fmt: skip
    if dtype != "complex64":
        options |= {"mid_activation": "relu6", "activation": "relu"}
    b = b if bias else None
    plan = planned(x, depthwise, pointwise, b, **options)
    assert (plan.method == "fused") == (
        way == "fused" and method == "auto" and dtype not in ("complex64", "int16") and batch != 0
    )
    r = draw(rng, plan.shape, dtype) if residual else None
    want = fl.nn.separable_conv(x, depthwise, pointwise, b, residual=r, **options)
    assert plan.shape == want.shape and plan.dtype == want.dtype
    for view in ("contiguous", "transposed", "spread out", "misaligned"):
        assert plan(VIEWS[view](x), residual=r).tobytes() == want.tobytes(), view
    out = np.empty_like(want)
    assert plan(x, out=out, residual=r) is out and plan(x, out, residual=r) is out
    assert out.tobytes() == want.tobytes()


def test_out_of_any_place(arrays, way):
    x, depthwise, pointwise, b, _ = arrays
    plan = planned(x, depthwise, pointwise, b, padding=1)
    want = plan(x)
    for name, view in VIEWS.items():
        if name != "read-only":
            out = view(np.full_like(want, 7))
            assert plan(x, out=out) is out
            np.testing.assert_allclose(out, want, rtol=1e-4, atol=1e-4, err_msg=name)
    square = planned(x, depthwise, pointwise[:24], b[:24], padding=1)
    want = square(x.copy())
    assert square(x, out=x) is x
    np.testing.assert_array_equal(x, want)


def test_every_option_of_the_call_is_one_of_the_plan(arrays, way):
    x, depthwise, pointwise, b, mid_bias = arrays
    options = {
        "stride": 2, "padding": ((2, 1), (0, 3)), "dilation": (1, 2), "mid_bias": mid_bias,
        "mid_activation": "silu", "boundary": ("edge", "wrap"), "flip": True,
        "activation": ("clip", -0.5, 2.0), "method": "auto", "precision": "high", "overflow": "wrap",
        "workers": 2,
    }  # fmt: skip
    plan = planned(x, depthwise, pointwise, b, **options)
    assert plan(x).tobytes() == fl.nn.separable_conv(x, depthwise, pointwise, b, **options).tobytes()


def test_lists_take_the_type_of_the_plan(way):
    plan = fl.nn.plan_separable_conv((1, 4), [[[1, 2]]], [[[3]]], dtype=np.float32)
    y = plan([[1, 1, 0, 0]])
    assert y.dtype == plan.dtype == np.float32
    np.testing.assert_array_equal(y, [[9, 3, 0]])
    whole = fl.nn.plan_separable_conv((1, 4), [[[1, 2]]], [[[3]]])
    assert whole.dtype == np.int64 and whole([[1, 1, 0, 0]]).tolist() == [[9, 3, 0]]


def test_integers_raise_what_does_not_fit(rng):
    x, depthwise, pointwise, b, _ = pair(rng, "int16", SIZE, (3, 3), 5, 1, 7)
    plan = planned(x, depthwise, pointwise, b)
    np.testing.assert_array_equal(plan(x), fl.nn.separable_conv(x, depthwise, pointwise, b))
    with pytest.raises(OverflowError):
        plan(np.full_like(x, 2**14))


# ---- the object


def test_a_plan_copies_its_weights(arrays, way):
    x, depthwise, pointwise, b, mid_bias = arrays
    plan = planned(x, depthwise, pointwise, b, mid_bias=mid_bias)
    before = plan(x)
    for array in (depthwise, pointwise, b, mid_bias):
        array[:] = 0
    assert plan(x).tobytes() == before.tobytes() and before.any()
    assert plan(x[:, :, ::-1]).any()


def test_a_plan_is_frozen(arrays, way):
    plan = planned(*arrays[:4])
    for name in [name for name in dir(plan) if not name.startswith("_")] + ["anything"]:
        with pytest.raises((AttributeError, TypeError)):
            setattr(plan, name, 1)
    with pytest.raises(
        AttributeError, match=r"a SeparablePlan is frozen; `shape` cannot be set.*with_weights"
    ):
        plan.shape = (1,)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del plan.method


def test_pickles(arrays, way):
    x, depthwise, pointwise, b, mid_bias = arrays
    plan = planned(x, depthwise, pointwise, b, mid_bias=mid_bias, activation="gelu")
    other = pickle.loads(pickle.dumps(plan))
    assert other.method == plan.method and repr(other) == repr(plan)
    assert other(x).tobytes() == plan(x).tobytes()


def test_other_weights(rng, arrays, way):
    x, depthwise, pointwise, b, mid_bias = arrays
    plan = planned(x, depthwise, pointwise, b, mid_bias=mid_bias)
    before = plan(x)
    _, *others = pair(rng, "float32", SIZE, (3, 3), 24, 1, 40, 2)
    other = plan.with_weights(*others[:3], mid_bias=others[3])
    want = fl.nn.separable_conv(x, *others[:3], mid_bias=others[3])
    assert type(other) is type(plan) and other.method == plan.method
    assert other(x).tobytes() == want.tobytes() and plan(x).tobytes() == before.tobytes()
    with pytest.raises(ValueError, match=r"`depthwise` must have exactly the shape"):
        plan.with_weights(others[0][:3], *others[1:3], mid_bias=others[3])
    with pytest.raises(ValueError, match=r"`pointwise` must have exactly the shape"):
        plan.with_weights(others[0], others[1][:3], others[2], mid_bias=others[3])
    with pytest.raises(ValueError, match=r"`mid_bias` \(=None\) does not fit"):
        plan.with_weights(*others[:3])
    with pytest.raises(ValueError, match=r"`b` \(=None\) does not fit"):
        plan.with_weights(*others[:2], mid_bias=others[3])


def test_one_plan_in_many_threads(rng, way):
    x, depthwise, pointwise, b, _ = pair(rng, "float32", (33, 31), (3, 3), 24, 1, 40, 2)
    plan = planned(x, depthwise, pointwise, b, padding=1, workers=2, activation="silu")
    inputs = [draw(rng, x.shape, np.float32) for _ in range(20)]
    expected = [plan(item).tobytes() for item in inputs]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda item: plan(item).tobytes(), inputs)) == expected


def test_the_bits_depend_on_no_workers(rng, way):
    x, depthwise, pointwise, b, _ = pair(rng, "float32", (33, 31), (3, 3), 40, 1, 70, 2)
    results = {
        planned(x, depthwise, pointwise, b, padding=1, workers=n)(x).tobytes() for n in (1, 2, 3, None)
    }
    assert len(results) == 1


# ---- what it tells


def test_a_plan_holds_its_description(arrays, way):
    x, depthwise, pointwise, b, _ = arrays
    plan = planned(x, depthwise, pointwise, b, padding=1, stride=2)
    first, second = plan.specs
    assert first.groups == 24 and second.kernel_size == (1, 1) and second.bias
    assert plan.cost == 2 * (first.cost().multiplications + second.cost().multiplications)
    assert plan.shape == (2, 40, 6, 5) and plan.dtype == np.float32
    for word in ("(2, 24, 12, 9)", "(24, 1, 3, 3)", "(40, 24, 1, 1)", "(2, 40, 6, 5)", plan.method):
        assert word in repr(plan), repr(plan)


def test_explain_tells_both_ways(arrays, way):
    plan = planned(*arrays[:4], padding=1)
    told = plan.explain()
    assert [c.method == "fused" for c in told.candidates] == [True, False]
    assert [c.method for c in told.candidates if c.chosen] == [plan.method]
    assert (plan.method == "fused") == (way == "fused")
    text = str(told)
    for word in (
        "microkernel",
        "register tile",
        "unit of work",
        "a byte",
        "GFLOP/s",
        "multiply-adds",
        "weights",
    ):
        assert word in text, f"{word!r} is missing in\n{text}"
    assert "<table" in told._repr_html_() and len({name for name, _ in told.details}) == len(told.details)


def test_explain_says_why_there_is_no_one_pass(rng):
    for dtype, word in (("int16", "integer"), ("complex64", "complex")):
        x, depthwise, pointwise, b, _ = pair(rng, dtype, SIZE, (3, 3), 5)
        fused, apart = planned(x, depthwise, pointwise, b).explain().candidates
        assert fused.seconds is None and fused.reason and apart.chosen, word
    x, depthwise, pointwise, b, _ = pair(rng, "float32", SIZE, (3, 3), 5)
    plan = planned(x, depthwise, pointwise, b, method="reference")
    assert plan.method == "reference, reference"
    fused, apart = plan.explain().candidates
    assert fused.reason == "`method='reference'` was asked for both layers" and "asked for" in apart.reason


def test_measure_takes_the_fastest(arrays):
    x, depthwise, pointwise, b, _ = arrays
    plan = planned(x, depthwise, pointwise, b, padding=1, measure=True)
    fused, apart = plan.explain().candidates
    assert fused.measured > 0 and apart.measured > 0
    least = min((fused, apart), key=lambda candidate: candidate.measured)
    assert plan.method == least.method and least.chosen and least.reason == "measured fastest"
    want, limit = definition(x, depthwise, pointwise, b, padding=1)
    assert np.all(abs(plan(x) - want.value) <= limit)
    again = plan.with_weights(depthwise, pointwise, b)
    assert again.method == plan.method and pickle.loads(pickle.dumps(plan)).method == plan.method


# ---- the bound


@cover(
    dtype=("float32", "float64", "float16", BFLOAT16),
    layout=LAYOUTS,
    mid_activation=(None, "relu6", "silu", "tanh"),
    activation=(None, "relu", "gelu"),
    residual=(False, True),
    padding=(0, 1),
)
def test_the_bound_holds_and_is_that_of_both_promises(
    rng, dtype, layout, mid_activation, activation, residual, padding, way
):
    x, depthwise, pointwise, b, mid_bias = pair(rng, dtype, SIZE, (3, 3), 16, 1, 20, 2, layout)
    options = {
        "layout": layout, "padding": padding, "mid_bias": mid_bias, "mid_activation": mid_activation,
        "activation": activation,
    }  # fmt: skip
    plan = planned(x, depthwise, pointwise, b, **options)
    r = draw(rng, plan.shape, dtype) if residual else None
    bound = plan.error_bound(x, residual=r)
    assert bound.shape == plan.shape and bound.dtype == np.float64 and np.all(bound > 0)
    want, limit = definition(x, depthwise, pointwise, b, residual=r, **options)
    error = abs(plan(x, residual=r).astype(np.longdouble) - want.activated(activation))
    assert np.all(error <= bound)
    if dtype in ("float32", "float64"):  # of half types the store is bounded before a clip
        assert np.all(bound <= 2 * limit)


def test_the_bound_of_what_nothing_is_promised(arrays, way):
    x, depthwise, pointwise, b, _ = arrays
    x[1, 3, 5, 5] = np.nan
    bound = planned(x, depthwise, pointwise, b, padding=1).error_bound(x)
    expected = np.ones(bound.shape, bool)
    expected[1, :, 4:7, 4:7] = False
    np.testing.assert_array_equal(np.isfinite(bound), expected)
    whole = planned(*(np.rint(a).astype(np.int64) for a in (np.nan_to_num(x), depthwise, pointwise)))
    assert not whole.error_bound(np.zeros(x.shape, np.int64)).any()


# ---- errors


def test_errors(arrays):
    x, depthwise, pointwise, b, _ = arrays
    plan = planned(x, depthwise, pointwise, b)
    with pytest.raises(ValueError, match=r"`x` must have exactly the plan's shape"):
        plan(x[:1])
    with pytest.raises(TypeError, match=r"`x` \(of float64\).*float32"):
        plan(x.astype(float))
    with pytest.raises(ValueError, match=r"`residual` must have exactly the shape"):
        plan(x, residual=x)
    with pytest.raises(ValueError, match=r"`out` must have exactly the shape"):
        plan(x, out=x)
    with pytest.raises(ValueError, match=r"`x` must have exactly the plan's shape"):
        plan.error_bound(x[:1])
    make = fl.nn.plan_separable_conv
    with pytest.raises(TypeError, match=r"`x_shape` \(='abc'\)"):
        make("abc", depthwise, pointwise)
    with pytest.raises(ValueError, match=r"`depthwise` must have the shape"):
        make(x.shape, pointwise, pointwise)
    with pytest.raises(ValueError, match=r"`pointwise` must have the shape"):
        make(x.shape, depthwise, depthwise)
    with pytest.raises(ValueError, match=r"`mid_bias` must hold one number"):
        make(x.shape, depthwise, pointwise, mid_bias=b)
    with pytest.raises(ValueError, match=r"`mid_activation` \(='swish'\)"):
        make(x.shape, depthwise, pointwise, mid_activation="swish")
    with pytest.raises(TypeError, match=r"`pointwise` \(of float64\)"):
        make(x.shape, depthwise, pointwise.astype(float))
    with pytest.raises(ValueError, match=r"no output.*`depthwise`"):
        make((2, 24, 2, 2), depthwise, pointwise)
    assert set(FIRST) <= set(make.__kwdefaults__)
