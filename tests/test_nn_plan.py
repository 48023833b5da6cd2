"""Plans of layers: the same answers as the calls; frozen, printable, measurable; with what they cost."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import faltung as fl
from grids import BFLOAT16, BOUNDARIES, cover, draw
from nn_tools import ACTIVATIONS, KINDS, LAYOUTS, METHODS, VIEWS, Shape, check, layer, planned, residual_for
from scripts import SECONDS


@pytest.fixture
def rng():
    return np.random.default_rng(481)


@pytest.fixture
def plan():
    w, b = np.ones((64, 3, 3, 3), np.float32), np.ones(64, np.float32)
    return fl.nn.plan_conv((1, 3, 32, 32), w, b, padding=1, dtype=np.float32, activation="relu")


@cover(
    kind=KINDS,
    layout=LAYOUTS,
    dtype=("float32", "float64", "float16", BFLOAT16, "complex64", "int8", "int32"),
    boundary=BOUNDARIES,
    stride=(1, 2),
    batch=(None, 0, 2),
    bias=(False, True),
    method=("auto", "reference"),
    flip=(False, True),
)
def test_a_plan_gives_the_same_bits_as_the_call(
    rng, kind, layout, dtype, boundary, stride, batch, bias, method, flip
):
    shape = Shape.of(kind, 5, 6)
    x, w, b = layer(rng, dtype, shape, (9, 8), (3, 3), batch, layout)
    b = b if bias else None
    options = {"groups": shape.groups, "layout": layout, "boundary": boundary, "stride": stride}
    options |= {"padding": "same", "method": method, "flip": flip}
    plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, **options)
    expected = fl.nn.conv(x, w, b, **options)
    check(x, w, b, **options)
    for view in ("contiguous", "transposed", "spread out", "misaligned"):
        assert plan(VIEWS[view](x)).tobytes() == expected.tobytes(), view
    out = np.empty_like(expected)
    assert plan(x, out=out) is out and plan(x, out) is out
    assert out.tobytes() == expected.tobytes()


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_and_residuals_of_plans(rng, activation):
    x, w, b = layer(rng, "float32", Shape(7, 20, 1), (9, 8), (3, 3))
    r = residual_for(rng, x, w, padding=1)
    plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, padding=1, activation=activation)
    assert plan(x).tobytes() == fl.nn.conv(x, w, b, padding=1, activation=activation).tobytes()
    want = fl.nn.conv(x, w, b, padding=1, activation=activation, residual=r)
    assert plan(x, residual=r).tobytes() == want.tobytes()


def test_every_option_of_the_call_is_one_of_the_plan(rng):
    x, w, b = layer(rng, "uint8", Shape(4, 6, 2), (9,), (3,), 2, "channels_last", "wide")
    b = b % 100
    options = {"stride": 2, "padding": "causal", "dilation": 2, "groups": 2, "boundary": "edge"}
    options |= {"layout": "channels_last", "flip": True, "activation": "relu", "method": "auto"}
    options |= {"precision": "highest", "overflow": "saturate", "x_zero_point": 7, "w_zero_point": 100}
    plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, workers=1, **options)
    assert np.array_equal(plan(x), fl.nn.conv(x, w, b, **options))
    check(x, w, b, **options)


def test_a_plan_copies_its_weights(rng):
    x, w, b = layer(rng, "float32", Shape(7, 20, 1), (9, 8), (3, 3))
    for method in ("auto", "reference"):
        plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, method=method)
        before = plan(x)
        keep = w.copy(), b.copy()
        w[:], b[:] = 0, 0
        assert plan(x).tobytes() == before.tobytes() and before.any()
        w[:], b[:] = keep


def test_a_plan_is_frozen(plan):
    for name in [name for name in dir(plan) if not name.startswith("_")] + ["anything"]:
        with pytest.raises((AttributeError, TypeError)):
            setattr(plan, name, 1)


def test_running_changes_nothing(plan, rng):
    x = draw(rng, (1, 3, 32, 32), np.float32)
    text, told = repr(plan), str(plan.explain())
    first = plan(x)
    assert repr(plan) == text and str(plan.explain()) == told
    assert plan(x).tobytes() == first.tobytes() and not np.shares_memory(plan(x), first)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "complex64"])
def test_other_weights(rng, dtype):
    x, w, b = layer(rng, dtype, Shape(7, 20, 1), (9, 8), (3, 3))
    _, other_w, other_b = layer(rng, dtype, Shape(7, 20, 1), (9, 8), (3, 3))
    plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, padding=1)
    before = plan(x)
    other = plan.with_weights(other_w, other_b)
    assert other is not plan and type(other) is type(plan) and other.method == plan.method
    assert np.array_equal(other(x), fl.nn.conv(x, other_w, other_b, padding=1))
    assert np.array_equal(plan(x), before)


# ---- what a plan tells


def test_a_plan_prints_what_it_does(plan):
    for word in ("conv", "(1, 3, 32, 32)", "(64, 3, 3, 3)", "float32", "(1, 64, 32, 32)", plan.method):
        assert word in repr(plan), repr(plan)


def test_a_plan_holds_its_description(plan):
    assert isinstance(plan.spec, fl.ConvSpec)
    assert plan.spec == fl.ConvSpec(
        input_size=(32, 32), in_channels=3, out_channels=64, kernel_size=3, padding=1, bias=True
    )
    assert plan.cost == plan.spec.cost().multiplications == 1_769_472  # the example of the notes
    assert plan.spec.cost().operations == 3_538_944
    assert plan.shape == (1, 64, 32, 32) and plan.dtype == np.float32
    two = fl.nn.plan_conv((2, 3, 32, 32), np.ones((64, 3, 3, 3), np.float32), padding=1)
    assert two.cost == 2 * 1_769_472 and two.dtype == np.float32


def test_explain_lists_every_method_and_why(plan):
    told = plan.explain()
    text = str(told)
    by_method = {c.method: c for c in told.candidates}
    assert set(by_method) <= set(METHODS) and {"gemm", "reference"} <= set(by_method)
    assert [c.method for c in told.candidates if c.chosen] == [plan.method]
    for candidate in told.candidates:
        assert candidate.method in text and candidate.reason in text and candidate.reason
        assert (candidate.seconds is None) == (candidate.promise == "") or candidate.seconds > 0
    assert by_method[plan.method].seconds == min(c.seconds for c in told.candidates if c.seconds)
    assert by_method["reference"].seconds > by_method[plan.method].seconds
    assert "groups" in by_method["depthwise"].reason or "group" in by_method["depthwise"].reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_explain_tells_how_it_runs(rng, kind, dtype):
    """Register tile, blocks, bytes moved, arithmetic intensity, predicted share of the ceiling."""
    shape = Shape.of(kind, 16, 16)
    x, w, b = layer(rng, dtype, shape, (28, 28), (3, 3))
    told = planned(x, w, b, "auto", groups=shape.groups, padding=1).explain()
    names, text = [name for name, _ in told.details], str(told)
    for word in (
        "microkernel",
        "register tile",
        "unit of work",
        "bytes moved",
        "a byte",
        "ceiling",
        "GFLOP/s",
    ):
        assert word in text, f"{word!r} is missing in\n{text}"
    assert len(names) == len(set(names))
    assert "<table" in told._repr_html_()


def test_a_forced_method_says_so(rng):
    x, w, b = layer(rng, "float32", Shape(8, 8, 1), (9, 9), (3, 3))
    forced = planned(x, w, b, "reference")
    assert forced.method == "reference" and "asked for" in str(forced.explain())
    assert "gemm" in str(forced.explain())


def test_measure_takes_one_of_the_candidates(rng):
    for kind in KINDS:
        shape = Shape.of(kind, 16, 8)
        x, w, b = layer(rng, "float32", shape, (14, 14), (3, 3))
        options = {"groups": shape.groups, "padding": 1}
        plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, measure=True, **options)
        runnable = [c.method for c in plan.explain().candidates if c.seconds is not None]
        assert plan.method in runnable
        assert "measured" in str(plan.explain())
        assert plan(x).tobytes() == fl.nn.conv(x, w, b, method=plan.method, **options).tobytes()


MEMORY = """
import resource, sys
import numpy as np
import faltung as fl

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux: KiB

kind, layout = sys.argv[1:]
groups = {"dense": 1, "grouped": 8, "depthwise": 64}[kind]
shape, taps = ((1, 64, 200, 200), (64, 64 // groups, 5, 5))
if layout == "channels_last":
    shape, taps = ((1, 200, 200, 64), (5, 5, 64 // groups, 64))
x, w = np.ones(shape, np.float32), np.ones(taps, np.float32)
plan = fl.nn.plan_conv(shape, w, groups=groups, padding=2, layout=layout, workers=2)
out = np.ones(plan.shape, np.float32)
before = peak()
plan(x, out)
print((peak() - before) / out.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["dense", "grouped", "depthwise"])
def test_no_matrix_of_columns_is_made(kind, layout, plain_environment):
    """A run needs at most the memory of the output beside it; columns would take 25 times that."""
    shares = [sys.executable, "-c", MEMORY, kind, layout]
    run = subprocess.run(shares, capture_output=True, text=True, env=plain_environment, timeout=SECONDS)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 1.2


# ---- the cache of calls


def test_the_cache_holds_decisions_never_data(rng):
    x, w, b = layer(rng, "float64", Shape(3, 4, 1), (9,), (3,))
    first = fl.nn.conv(x, w)
    for _ in range(3):
        assert np.array_equal(fl.nn.conv(x, w), first)
    w *= 2
    assert np.array_equal(fl.nn.conv(x, w), 2 * first)
    x *= 2
    assert np.array_equal(fl.nn.conv(x, w), 4 * first)
    np.testing.assert_allclose(fl.nn.conv(x, w, b), 4 * first + b[:, None])
    b *= 2
    np.testing.assert_allclose(fl.nn.conv(x, w, b), 4 * first + b[:, None])
    fl.clear_cache()
    assert np.array_equal(fl.nn.conv(x, w), 4 * first)


def test_calls_that_differ_in_one_argument_do_not_share_a_decision(rng):
    """Each twice, so that the second is found."""
    x, w, b = layer(rng, "float32", Shape(4, 4, 1), (9, 9), (3, 3))
    r = residual_for(rng, x, w, padding=1)
    changes = [
        {}, {"padding": "same"}, {"stride": 2}, {"dilation": 2}, {"boundary": "wrap"}, {"flip": True},
        {"activation": "relu"}, {"activation": ("clip", -1.0, 2.0)}, {"activation": ("clip", -1.0, 1.0)},
        {"residual": r}, {"method": "reference"}, {"workers": 2}, {"padding": 0}, {"padding": (0, 1)},
    ]  # fmt: skip
    for _ in range(2):
        for change in changes:
            options = {"padding": 1} | change
            if "residual" in change or options["padding"] == 1:
                check(x, w, b, **options)
            check(x, w, None, **options)
            check(x[:1], w, b, **{k: v for k, v in options.items() if k != "residual"})
            check(x.astype(np.float64), w.astype(np.float64), **options | {"residual": None})


def test_views_of_other_strides_do_not_share_a_decision(rng):
    x, w, b = layer(rng, "float32", Shape(4, 4, 1), (8, 8), (3, 3), 4)
    for _ in range(2):
        for view in VIEWS.values():
            check(view(x), view(w), b, padding=1)
            check(x[::2], w[::-1], b, padding=1)
            check(x[:, :, ::-1], w, b[::-1], padding=1)
