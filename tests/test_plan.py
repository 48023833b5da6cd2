"""Plans: the same answers as the calls; frozen, printable, picklable, shared by threads; with true bounds."""

from __future__ import annotations

import concurrent.futures
import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import faltung as fl
from checks import allowance, oracle
from conftest import peer
from grids import BOUNDARIES, DTYPES, FLOATS, MODES, OPS, cover, draw
from reference import exact


@pytest.fixture
def rng():
    return np.random.default_rng(81)


@pytest.fixture
def plan():
    ones = np.ones((3, 3), np.float32)
    return fl.plan_convolve((20, 30), ones, "same", boundary="reflect", dtype=np.float32)


@cover(
    op=OPS,
    dtype=DTYPES,
    mode=MODES,
    boundary=BOUNDARIES,
    method=("auto", "direct", "reference"),
    stride=(1, (2, 3)),
)
def test_a_plan_gives_the_same_bits_as_the_call(rng, op, dtype, mode, boundary, method, stride):
    a, k = draw(rng, (13, 27), dtype), draw(rng, (3, 4), dtype)
    options = {"boundary": boundary, "method": method, "stride": stride}
    plan = getattr(fl, "plan_" + op)(a.shape, k, mode, dtype=dtype, **options)
    expected = getattr(fl, op)(a, k, mode, **options)
    assert isinstance(plan, fl.Plan)
    assert plan(a).tobytes() == plan(np.asfortranarray(a)).tobytes() == expected.tobytes()
    out = np.empty_like(expected)
    assert plan(a, out=out) is out and plan(a, out) is out
    assert out.tobytes() == expected.tobytes()


def test_every_option_of_the_call_is_one_of_the_plan(rng):
    a, k = draw(rng, (4, 17, 3), np.uint8, "wide"), [1, 2, 1]
    options = {"axes": 1, "anchor": 2, "dilation": 2, "fill_value": 9, "overflow": "saturate", "workers": 1}
    options |= {"nan_policy": "raise", "precision": "highest"}
    plan = fl.plan_correlate(a.shape, k, "same", dtype=np.uint8, **options)
    assert np.array_equal(plan(a), fl.correlate(a, k, "same", **options))
    wide = fl.plan_correlate(a.shape, k, dtype="uint8", result_dtype="int32", axes=1)
    assert np.array_equal(wide(a), fl.correlate(a, k, dtype=np.int32, axes=1))


def test_weak_and_strong_kernels_stay_what_they_are():
    a = np.ones(4, np.float32)
    assert fl.plan_convolve((4,), [0.5], dtype=np.float32)(a).dtype == np.float32
    assert fl.plan_convolve((4,), np.array([0.5]), dtype=np.float32)(a).dtype == np.float64
    assert fl.plan_convolve((4,), fl.kernels.box(3, ndim=1), dtype=np.float32)(a).dtype == np.float32
    assert isinstance(fl.plan_convolve((), 2.0, dtype=np.float32)(np.float32(3)), np.float32)


def test_plans_run_on_other_kinds_of_arrays():
    torch = peer("torch")
    plan = fl.plan_convolve((4,), [1, 1], dtype=np.float32)
    got = plan(torch.ones(4))
    assert isinstance(got, torch.Tensor) and got.tolist() == [1, 2, 2, 2, 1]
    with pytest.raises(fl.FaltungError, match=r"faltung\.torch"):
        plan(torch.ones(4, requires_grad=True))
    with pytest.raises(TypeError, match="mask"):
        plan(np.ma.array(np.ones(4, np.float32), mask=[True, False, False, False]))
    with pytest.raises(TypeError, match="mask"):
        fl.plan_convolve((4,), np.ma.array([1.0, 2.0], mask=[True, False]), dtype=np.float32)
    with pytest.raises(TypeError, match="`x`") as caught:
        plan("abcd")
    assert isinstance(caught.value, fl.FaltungError)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.float16], ids=str)
def test_one_plan_gives_the_same_bits_for_any_memory_and_workers(rng, dtype):
    for shape, taps in [((300,), (40,)), ((30, 41), (5, 7)), ((8, 9, 20), (3, 3, 3))]:
        a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
        for workers in (1, 3):
            plan = fl.plan_convolve(shape, k, "same", dtype=dtype, workers=workers)
            bits = plan(a).tobytes()
            for x in (np.asfortranarray(a), np.repeat(a, 2, axis=-1)[..., ::2], a[::-1].copy()[::-1]):
                assert plan(x).tobytes() == bits
            for out in (np.empty_like(a, order="F"), np.repeat(a, 2, axis=0)[::2], a.copy()[::-1]):
                assert plan(a, out=out).tobytes() == bits


def test_a_plan_copies_its_kernel(rng):
    a, k = draw(rng, (30,), np.float64), draw(rng, (5,), np.float64)
    plan = fl.plan_convolve(a.shape, k, dtype=a.dtype)
    before = plan(a)
    k[:] = 0
    assert np.array_equal(plan(a), before) and before.any()


def test_a_plan_is_frozen(plan):
    for name in [name for name in dir(plan) if not name.startswith("_")] + ["anything"]:
        with pytest.raises((AttributeError, TypeError)):
            setattr(plan, name, 1)


def test_running_changes_nothing(plan, rng):
    text, first = repr(plan), pickle.dumps(plan)
    plan(draw(rng, (20, 30), np.float32))
    assert repr(plan) == text and pickle.dumps(plan) == first


@pytest.mark.parametrize("shape", [(20, 31), (30, 20), (20,), (1, 20, 30)], ids=str)
def test_another_shape_is_refused(plan, shape):
    with pytest.raises(ValueError, match="`x`") as caught:
        plan(np.ones(shape, np.float32))
    assert str(shape) in str(caught.value) and "(20, 30)" in str(caught.value)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "complex64", ">f4"])
def test_another_dtype_is_refused(plan, dtype):
    with pytest.raises(TypeError, match="`x`") as caught:
        plan(np.ones((20, 30), dtype))
    assert "float32" in str(caught.value)


def test_a_wrong_out_is_refused(plan):
    x, narrow, double = np.ones((20, 30), np.float32), np.empty((20, 29), np.float32), np.empty((20, 30))
    for out, kind in [(narrow, ValueError), (double, TypeError), ([], TypeError)]:
        with pytest.raises(kind, match="`out`"):
            plan(x, out=out)


def test_wrong_arguments_are_found_when_planning():
    wrong = {"boundary": "mirror", "stride": 0, "axes": 5, "method": "magic", "precision": "low"}
    for name, value in wrong.items():
        with pytest.raises(fl.FaltungError, match=f"`{name}`"):
            fl.plan_convolve((5, 5), np.ones((3, 3)), dtype=float, **{name: value})
    with pytest.raises(ValueError, match="swap"):
        fl.plan_convolve((2,), np.ones(3), "valid", dtype=float)
    with pytest.raises(fl.FaltungError, match="dtype"):
        fl.plan_convolve((5,), np.ones(3, np.int8), dtype=np.uint64)
    with pytest.raises(fl.FaltungError, match="`dtype`"):
        fl.plan_convolve((5,), np.ones(3), dtype="number")
    with pytest.raises(fl.FaltungError, match="`shape`"):
        fl.plan_convolve((5.0,), np.ones(3), dtype=float)


# ---- explain and print


def test_explain_lists_every_method_and_why(plan):
    text = str(plan.explain())
    assert plan.method == "direct" and plan.method in repr(plan)
    for method in ("direct", "reference"):
        assert any(
            line.split()[:1] == [method] or method in line.split()[:2] for line in text.splitlines()
        ), text
    assert "fastest" in text and "slower" in text
    forced = fl.plan_convolve((20, 30), np.ones((3, 3)), dtype=float, method="reference")
    assert forced.method == "reference" and "direct" in str(forced.explain())


def test_plans_print_what_they_do(plan):
    for word in ("convolve", "20, 30", "3, 3", "float32", "same", "direct"):
        assert word in repr(plan), repr(plan)


def test_cost_counts_the_operations(plan):
    assert plan.cost
    larger = fl.plan_convolve((40, 30), np.ones((3, 3), np.float32), "same", dtype=np.float32)
    assert str(larger.cost) != str(plan.cost)


# ---- the bound


@cover(dtype=FLOATS, mode=MODES, boundary=BOUNDARIES, kernel=("weak", "strong"), spread=("small", "wide"))
def test_error_bound_bounds_the_error(rng, dtype, mode, boundary, kernel, spread):
    a, k = draw(rng, (6, 15), dtype, spread), draw(rng, (3, 4), dtype, "small")
    weights = k.astype(float).tolist() if kernel == "weak" else k
    plan = fl.plan_convolve(a.shape, weights, mode, boundary=boundary, dtype=dtype)
    got, want = plan(a), oracle("convolve", a, k, mode, boundary=boundary)
    bound = np.broadcast_to(plan.error_bound(a), got.shape)
    for index in np.ndindex(got.shape):
        value = exact(got[index])
        if not isinstance(value, float):
            assert abs(value - want.real[index]) <= Fraction(float(bound[index]))
    if dtype.itemsize > 2:  # and is not larger than it need be
        assert bound.max() <= 2 * allowance(want, dtype).max()


def test_error_bound_of_integers_is_zero():
    plan = fl.plan_convolve((5,), [1, 2], dtype=np.int32)
    assert not np.any(plan.error_bound(np.arange(5, dtype=np.int32)))


# ---- other kernels, other processes, other threads


def test_with_weights_makes_a_new_plan(plan, rng):
    x, k = draw(rng, (20, 30), np.float32), draw(rng, (3, 3), np.float32)
    before = plan(x)
    other = plan.with_weights(k)
    assert other is not plan and type(other) is type(plan)
    assert np.array_equal(other(x), fl.convolve(x, k, "same", boundary="reflect"))
    assert np.array_equal(plan(x), before)
    with pytest.raises(ValueError, match=r"`k`.*\(1, 2\)"):
        plan.with_weights(k[:1, :2])


def test_plans_pickle(plan, rng):
    x = draw(rng, (20, 30), np.float32)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        other = pickle.loads(pickle.dumps(plan, protocol))
        assert repr(other) == repr(plan) and other(x).tobytes() == plan(x).tobytes()
    weak = fl.plan_convolve((4,), [0.5], dtype=np.float32)
    assert pickle.loads(pickle.dumps(weak))(np.ones(4, np.float32)).dtype == np.float32


def test_a_pickled_plan_runs_in_another_process(plan, tmp_path):
    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    script = (
        "import pickle, numpy, sys; plan = pickle.load(open(sys.argv[1], 'rb'));"
        "print(plan(numpy.ones((20, 30), numpy.float32)).sum())"
    )
    run = [sys.executable, "-c", script, str(tmp_path / "plan")]
    assert float(subprocess.run(run, capture_output=True, text=True, check=True).stdout) == 20 * 30 * 9


def test_one_plan_in_many_threads(rng):
    k = draw(rng, (5, 5), np.float32)
    plan = fl.plan_convolve((90, 110), k, "same", dtype=np.float32)
    images = [draw(rng, (90, 110), np.float32) for _ in range(40)]
    expected = [plan(image).tobytes() for image in images]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda image: plan(image).tobytes(), images))
    assert got == expected


def test_many_threads_plan_and_call_at_once(rng):
    arrays = [draw(rng, (n,), np.float64) for n in range(50, 90)]
    expected = [fl.convolve(a, a[:7]).tobytes() for a in arrays]

    def run(a):
        fl.clear_cache()
        return fl.convolve(a, a[:7]).tobytes()

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert list(threads.map(run, arrays * 3)) == expected * 3


# ---- the cache


def test_the_cache_holds_decisions_never_data(rng):
    a, k = draw(rng, (30,), np.float64), draw(rng, (5,), np.float64)
    first = fl.convolve(a, k)
    k *= 2
    assert np.array_equal(fl.convolve(a, k), 2 * first)
    a *= 2
    assert np.array_equal(fl.convolve(a, k), 4 * first)
    fl.clear_cache()
    assert np.array_equal(fl.convolve(a, k), 4 * first)


def test_calls_that_differ_in_one_argument_do_not_share_a_decision(rng):
    a, k = np.array([100, 100, 3], np.uint8), [1, 1, 1]
    assert fl.convolve(a, k, dtype=np.int16).tolist() == [100, 200, 203, 103, 3]
    assert fl.convolve(a, k, overflow="wrap").dtype == np.uint8
    assert fl.convolve(a, [1.0, 1, 1]).dtype == np.float64
    assert fl.convolve(a.astype(np.float32), k).dtype == np.float32
    assert fl.convolve(a, k, fill_value=1).tolist() == [102, 201, 203, 104, 5]
    assert fl.convolve(a, k, fill_value=True).tolist() == [102, 201, 203, 104, 5]
    assert fl.convolve(a, k, fill_value=0.0).tolist() == [100, 200, 203, 103, 3]
    assert fl.correlate(a, [1, 0, 0]).tolist() == [0, 0, 100, 100, 3]
    assert fl.convolve(a, [1, 0, 0]).tolist() == [100, 100, 3, 0, 0]
