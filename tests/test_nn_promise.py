"""The promise of layers at every single output, on data chosen to break it, method by method.

``nn_tools.allowance`` states the bound. Here are the data, reductions of 1 to 10^5 terms with their exact
error, and the locality of whatever is not finite.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import faltung as fl
from checks import SINGLE, half_ulp, largest, promise
from grids import BFLOAT16, BOUNDARIES, COMPLEX, FLOATS, HALVES, cover, draw, product
from hostile import CASES, exact_errors, hostile, smallest
from nn_tools import (
    ACTIVATIONS,
    KINDS,
    LAYOUTS,
    METHODS,
    Shape,
    check,
    layer,
    oracle,
    planned,
    stays_within,
    turned,
    turned_weights,
)

DATA = (*CASES, "random")
WEIGHTS = (
    "random",
    "spike",
    "cancellation",
    "decades",
    "constant",
    "alternating",
    "subnormal",
    "small",
    "large",
)
REAL = (np.dtype(np.float32), np.dtype(np.float64))


@pytest.fixture
def rng():
    return np.random.default_rng(461)


def hostile_layer(rng, dtype, data, weights, kind, sizes, taps, layout, channels=6, more=9):
    """x and w of the cases. Sums of absolute products of "large" data stay in range."""
    shape = Shape.of(kind, channels, more)
    x = hostile(data, rng, (2, shape.inside, *sizes), dtype)
    w = hostile(weights, rng, (shape.outside, shape.inside // shape.groups, *taps), dtype)
    return turned(x, layout), turned_weights(w, layout), shape.groups


GRID = {
    "dtype": FLOATS + COMPLEX,
    "data": DATA,
    "weights": WEIGHTS,
    "kind": KINDS,
    "layout": LAYOUTS,
    "boundary": ("constant", "reflect"),
    "rank": (1, 2, 3),
    "stride": (1, 2),
}


def assert_every_method_stays_within(rng, dtype, data, weights, kind, layout, boundary, rank, stride):
    sizes, taps = {1: ((61,), (9,)), 2: ((9, 13), (3, 5)), 3: ((4, 5, 6), (2, 3, 3))}[rank]
    x, w, groups = hostile_layer(rng, dtype, data, weights, kind, sizes, taps, layout)
    options = {"groups": groups, "layout": layout, "boundary": boundary, "stride": stride, "padding": 2}
    want = oracle(x, w, **options)
    check(x, w, **options)
    assert stays_within(x, w, None, "reference", want, **options)
    for method in METHODS[:-1]:
        stays_within(x, w, None, method, want, **options)


@cover(**GRID)
def test_hostile_data(rng, dtype, data, weights, kind, layout, boundary, rank, stride):
    assert_every_method_stays_within(rng, dtype, data, weights, kind, layout, boundary, rank, stride)


@pytest.mark.full
@pytest.mark.parametrize(
    ("dtype", "data", "weights", "kind"),
    product(dtype=FLOATS + COMPLEX, data=DATA, weights=WEIGHTS, kind=KINDS),
    ids=str,
)
def test_every_pair_of_hostile_data(rng, dtype, data, weights, kind):
    for layout, boundary, rank in [("channels_first", "constant", 2), ("channels_last", "reflect", 1)]:
        assert_every_method_stays_within(rng, dtype, data, weights, kind, layout, boundary, rank, 1)


@cover(dtype=FLOATS, data=CASES, activation=ACTIVATIONS, kind=KINDS, layout=LAYOUTS)
def test_hostile_data_through_activations(rng, dtype, data, activation, kind, layout):
    x, w, groups = hostile_layer(rng, dtype, data, "random", kind, (7, 9), (3, 3), layout)
    b = hostile("spike", rng, (w.shape[0 if layout == "channels_first" else -1],), dtype)
    options = {"groups": groups, "layout": layout, "padding": 1, "activation": activation}
    want = oracle(x, w, b, **options)
    for method in METHODS:
        stays_within(x, w, b, method, want, **options)


@cover(
    dtype=REAL,
    data=("huge spike", "decades", "cancellation", "steps", "random"),
    weights=("random", "decades", "spike"),
    layout=LAYOUTS,
    precision=("highest", "high"),
    boundary=("constant", "reflect"),
    taps=((13, 13), (31, 31), (5, 51)),
)
def test_large_depthwise_kernels(rng, dtype, data, weights, layout, precision, boundary, taps):
    """Those that transforms are for. What a bound is computed from is not rounded by transforms itself."""
    x = turned(hostile(data, rng, (1, 3, 60, 57), dtype), layout)
    w = turned_weights(hostile(weights, rng, (3, 1, *taps), dtype), layout)
    options = {"groups": 3, "layout": layout, "boundary": boundary, "padding": tuple(n // 2 for n in taps)}
    want = oracle(x, w, **options)
    sums = promise(want.terms) * want.size * 2.0 ** (-24 if dtype == np.float32 else -53)
    for method in ("auto", *METHODS[:-1]):
        plan = planned(x, w, None, method, precision=precision, **options)
        if plan is not None:
            assert stays_within(x, w, None, plan.method, want, precision=precision, **options)
            assert (plan.error_bound(x) >= (1 - 1e-6) * sums).all(), plan.method


# ---- long sums, with the exact error

TERMS = (1, 2, 100, 255, 256, 257, 513, 1000, 4096, 20_000, 100_000)
ORDERS = ("channels", "taps", "both")


def long_layer(rng, dtype, terms, data, weights, order, layout, outside=3, outputs=3):
    """One group whose outputs sum `terms` products: over channels, over taps, or both."""
    taps = {"channels": 1, "taps": terms, "both": max(math.isqrt(terms), 1)}[order]
    channels = terms // taps
    x = hostile(data, rng, (1, channels, taps + outputs - 1), dtype)
    w = hostile(weights, rng, (outside, channels, taps), dtype)
    return x, w, turned(x, layout), turned_weights(w, layout)


def assert_sums_keep_the_promise(x, w, plan, got, layout):
    """`x` and `w` channels_first with one output position an output step; S and the error are exact."""
    got = np.moveaxis(got, -1, 1) if layout == "channels_last" else got
    bound = np.broadcast_to(plan.error_bound(turned(x, layout)), plan(turned(x, layout)).shape)
    bound = np.moveaxis(bound, -1, 1) if layout == "channels_last" else bound
    single, terms = got.dtype in SINGLE, w[0].size
    for o in range(len(w)):
        errors, sizes = exact_errors(got[0, o][None], x[0], w[o])
        limit = promise(terms) * sizes * 2.0 ** (-24 if single else -53)
        if single:  # subnormals may be flushed
            most = terms * (1 + abs(x.astype(float)).max() + abs(w.astype(float)).max())
            limit = limit + 2.0**-123 * most
        if got.dtype in HALVES:
            limit = limit + half_ulp(abs(got[0, o].astype(float)) + limit, got.dtype).astype(float)
        past = sizes + limit >= largest(got.dtype)  # a float16 result may be infinite
        owes_more = plan.method == "spectral"  # and its bound says how much
        assert owes_more or ((errors <= limit) | past).all(), (
            f"{plan.method}: {(errors / limit).max():.3g} times the promise"
        )
        assert ((errors <= bound[0, o]) | past).all(), f"{plan.method}: beyond its own bound"


@cover(
    dtype=(*REAL, *HALVES),
    terms=TERMS,
    data=("constant", "decades", "alternating", "cancellation", "random", "steps"),
    weights=("constant", "decades", "random", "cancellation"),
    order=ORDERS,
    layout=LAYOUTS,
)
def test_up_to_100000_terms(rng, dtype, terms, data, weights, order, layout):
    if dtype in HALVES:
        terms = min(terms, 4096)  # the result stays in range
    if order == "taps":
        terms = min(terms, 20_000)
    x, w, x_in, w_in = long_layer(rng, dtype, terms, data, weights, order, layout)
    ran = []
    for method in ("auto", *METHODS):
        plan = planned(x_in, w_in, None, method, layout=layout)
        if plan is not None:
            ran.append(method)
            assert_sums_keep_the_promise(x, w, plan, plan(x_in), layout)
    assert "reference" in ran and "auto" in ran


@pytest.mark.parametrize("outside", [1, 5, 16, 48])
@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_terms_do_not_drift(rng, outside, dtype, layout):
    """A chain of 9·512 equal rounded terms is off by far more than the promise."""
    x = np.full((1, 512, 5, 5), dtype.type(1) / 3, dtype)
    w = np.full((outside, 512, 3, 3), dtype.type(1) / 7, dtype)
    for method in ("auto", *METHODS):
        plan = planned(turned(x, layout), turned_weights(w, layout), None, method, layout=layout)
        if plan is None:
            continue
        got = plan(turned(x, layout))
        exact = 512 * 9 * float(x.flat[0]) * float(w.flat[0]) if dtype == np.float32 else None
        if exact is None:
            exact = 512 * 9 * (x.flat[0].astype(np.longdouble) * w.flat[0].astype(np.longdouble))
        limit = promise(512 * 9) * abs(exact) * 2.0 ** (-24 if dtype == np.float32 else -53)
        assert (abs(got - exact) <= limit).all(), plan.method


@pytest.mark.parametrize("dtype", [*REAL, *COMPLEX], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("taps", [(3, 3), (7, 7)])
def test_the_root_mean_square_on_random_data(rng, dtype, kind, taps):
    shape = Shape.of(kind, 16, 9)
    x, w, _ = layer(rng, dtype, shape, (13, 14), taps, 1)
    for method in ("auto", *METHODS[:-1]):
        plan = planned(x, w, None, method, groups=shape.groups, padding=1)
        if plan is None:
            continue
        want = oracle(x, w, groups=shape.groups, padding=1)
        relative = (abs(plan(x) - want.value) / want.size).astype(float)
        terms = want.terms * (2 if dtype.kind == "c" else 1)
        unit = 2.0**-24 if dtype in SINGLE else 2.0**-53
        assert np.sqrt(np.mean(relative**2)) <= math.sqrt(terms) * unit, plan.method


# ---- the bound that a plan tells


@cover(dtype=(*FLOATS, *COMPLEX), kind=KINDS, layout=LAYOUTS, boundary=BOUNDARIES, bias=(False, True))
def test_the_bound_is_the_promise(rng, dtype, kind, layout, boundary, bias):
    """No larger than it need be, and no smaller at any output."""
    shape = Shape.of(kind, 5, 4)
    x, w, b = layer(rng, dtype, shape, (8, 9), (3, 3), 2, layout)
    options = {"groups": shape.groups, "layout": layout, "boundary": boundary, "padding": 2}
    b = b if bias else None
    plan = fl.nn.plan_conv(x.shape, w, b, dtype=dtype, method="reference", **options)
    bound, want = plan.error_bound(x), oracle(x, w, b, **options)
    assert bound.shape == want.shape and bound.dtype == np.float64
    terms = want.terms * (2 if dtype.kind == "c" else 1)
    sums = promise(terms) * want.size * 2.0 ** (-24 if dtype in SINGLE else -53)
    more = half_ulp(abs(want.value).astype(np.longdouble) + sums, dtype) if dtype in HALVES else 0
    assert (bound >= (1 - 1e-6) * sums).all()
    assert (bound <= (1 + 1e-6) * (sums + 4 * more) + 1e-30).all()


def test_the_bound_of_integers_is_zero(rng):
    for dtype in (np.int8, np.int32):
        x, w, b = layer(rng, dtype, Shape(3, 4, 1), (7,), (3,))
        assert not np.any(fl.nn.plan_conv(x.shape, w, b, dtype=dtype).error_bound(x))


@pytest.mark.parametrize("activation", ACTIVATIONS[1:], ids=str)
def test_the_bound_allows_for_the_activation(rng, activation):
    x, w, b = layer(rng, "float32", Shape(9, 7, 1), (13,), (5,))
    plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, activation=activation)
    assert stays_within(x, w, b, plan.method, oracle(x, w, b), activation=activation)
    none = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype).error_bound(x)
    assert (plan.error_bound(x) <= 3 * none + 1e-6).all()


# ---- what is not finite


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
@cover(dtype=FLOATS + COMPLEX, layout=LAYOUTS, boundary=BOUNDARIES, stride=(1, 2), rank=(1, 2))
def test_special_samples_reach_their_windows_only(rng, special, kind, dtype, layout, boundary, stride, rank):
    """Several of them, some in one window: infinities of both signs are NaN there."""
    shape = Shape.of(kind, 4, 17)
    sizes, taps = [((40,), (5,)), ((11, 13), (3, 3))][rank - 1]
    x, w, _ = layer(rng, dtype, shape, sizes, taps, 2, layout)
    x.flat[x.size // 3] = special
    x.flat[x.size // 3 + 2] = -special
    x.flat[-1] = special
    options = {"groups": shape.groups, "layout": layout, "boundary": boundary, "stride": stride, "padding": 1}
    want = oracle(x, w, **options)
    for method in METHODS:
        stays_within(x, w, None, method, want, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("taps", [1, 3, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, BFLOAT16], ids=str)
def test_one_nan_marks_one_window(rng, kind, layout, taps, dtype):
    shape = Shape.of(kind, 4, 8)
    x, w, b = layer(rng, dtype, shape, (17, 21), (taps, taps), 2, "channels_first")
    x[1, 2, 8, 9] = np.nan
    each = shape.outside // shape.groups
    group = 2 // (shape.inside // shape.groups)
    expected = np.zeros((2, shape.outside, 17, 21), bool)
    reach = taps // 2
    window = (slice(8 - reach, 9 + reach), slice(9 - reach, 10 + reach))
    expected[(1, slice(group * each, (group + 1) * each), *window)] = True
    options = {"padding": reach, "groups": shape.groups, "layout": layout}
    for method in ("auto", *METHODS):
        plan = planned(turned(x, layout), turned_weights(w, layout), b, method, **options)
        if plan is not None:
            np.testing.assert_array_equal(np.isnan(plan(turned(x, layout))), turned(expected, layout), method)


@cover(special=(np.inf, -np.inf, np.nan), kind=KINDS, layout=LAYOUTS, dtype=FLOATS)
def test_special_weights_do_not_meet_the_padding(rng, special, kind, layout, dtype):
    """A term outside is absent: it is not 0 times infinity. A sample of 0 inside is."""
    shape = Shape.of(kind, 4, 17)
    for sizes, taps, padding in [((7, 9), (3, 3), 1), ((20,), (5,), (4, 3)), ((3, 3), (5, 5), 2)]:
        pairs = padding if isinstance(padding, int) else (padding,)
        for spot in (0, -1):
            x, w, _ = layer(rng, dtype, shape, sizes, taps, 2, "channels_first")
            w.reshape(*w.shape[:2], -1)[::2, 0, spot] = special
            x.flat[x.size // 2] = 0
            x, w = turned(x, layout), turned_weights(w, layout)
            options = {"groups": shape.groups, "layout": layout, "padding": pairs}
            want = oracle(x, w, **options)
            assert np.isfinite(want.value).any()
            for method in METHODS:
                stays_within(x, w, None, method, want, **options)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", KINDS)
def test_special_bias_and_residual(rng, boundary, kind):
    shape = Shape.of(kind, 4, 17)
    x, w, b = layer(rng, "float32", shape, (7, 9), (3, 3))
    b[1] = np.inf
    options = {"groups": shape.groups, "padding": 1, "boundary": boundary}
    r = draw(rng, oracle(x, w, **options).shape, np.float32)
    r[0, 2, 3, 4], r[0, 1, 2, 2] = np.nan, -np.inf
    check(x, w, b, residual=r, **options)
    for method in METHODS:
        try:
            check(x, w, b, residual=r, method=method, **options)
        except fl.FaltungError as refusal:
            assert f"`method` (={method!r})" in str(refusal)


@pytest.mark.parametrize("method", METHODS[:-1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spike", [1e4, 1e30, np.inf, np.nan])
def test_a_spike_elsewhere_changes_no_bit(rng, method, kind, spike):
    """By methods that sum term by term; a matrix unit leaves such data to others, within the same promise."""
    shape = Shape.of(kind, 6, 20)
    x, w, _ = layer(rng, "float32", shape, (17, 19), (3, 3))
    plan = planned(x, w, None, method, groups=shape.groups)
    if plan is None or method == "spectral":
        return
    quiet, bound = plan(x), plan.error_bound(x)
    x[1, 0, 8, 7] = spike
    loud = plan(x)
    window = (1, slice(None), slice(6, 9), slice(5, 8))
    quiet[window] = loud[window] = 0
    if plan.method == "matrix" and not spike < 3e38:
        assert (abs(quiet - loud) <= 2 * bound).all()
    else:
        assert quiet.tobytes() == loud.tobytes()


# ---- gradual underflow


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_float64_is_never_flushed(kind, layout):
    shape = Shape.of(kind, 4, 17)
    tiny = smallest(np.float64)
    x = turned((np.arange(2 * shape.inside * 30) * tiny).reshape(2, shape.inside, 5, 6), layout)
    w = turned_weights(np.ones((shape.outside, shape.inside // shape.groups, 3, 3)), layout)
    want = oracle(x, w, groups=shape.groups, layout=layout).value.astype(np.float64)
    for method in ("auto", *METHODS):
        plan = planned(x, w, None, method, groups=shape.groups, layout=layout)
        if plan is not None and plan.method != "spectral":
            np.testing.assert_array_equal(plan(x), want)


def test_the_caller_keeps_its_floating_point_state(rng):
    """Workers of float32 layers may flush; the thread that calls may not be left so."""
    small = np.full(8, 1e-40, np.float32)
    x, w, _ = layer(rng, "float32", Shape(16, 16, 1), (40, 40), (3, 3))
    for workers in (1, 2):
        fl.nn.conv(x, w, workers=workers)
        assert (small * np.float32(0.5) > 0).all()
    assert (fl.convolve(small, np.float32([0.5])) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_values_next_to_the_largest_do_not_overflow_early(kind, dtype):
    """Sums of absolute products just below the largest number."""
    shape = Shape.of(kind, 4, 17)
    big = np.finfo(dtype).max
    terms = shape.inside // shape.groups * 9
    x = np.full((1, shape.inside, 6, 7), big / (terms + 1), dtype)
    x[:, :, ::2] *= -1
    w = np.ones((shape.outside, shape.inside // shape.groups, 3, 3), dtype)
    for method in ("auto", *METHODS):
        plan = planned(x, w, None, method, groups=shape.groups)
        if plan is not None and plan.method != "spectral":
            assert np.isfinite(plan(x)).all(), plan.method
