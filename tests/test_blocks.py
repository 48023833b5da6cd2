"""Block by block: every box exact and none left out, the limit kept, the errors."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from blocks_tools import Steps, boxes_of, boxes_of_random_shape
from checks import check, oracle
from faltung._blocks_cost import Costs, Layout
from faltung._blocks_cut import Gathered, Kernel, cut
from faltung._blocks_plan import divide
from faltung._describe import described
from faltung._recipe import Recipe
from grids import BFLOAT16, BOUNDARIES, MODES, OPS, cover, draw
from strategies import calls

MIB = 1 << 20


# ---- the same result as in one piece


@given(calls(), st.integers(0, 2**32))
def test_any_boxes_are_the_definition(call, seed):
    target = call.options.get("dtype")
    with np.errstate(all="ignore"):
        want = oracle(call.op, call.a, call.k, call.mode, **call.options)
    steps = Steps()
    with boxes_of_random_shape(seed):
        if target is not None and target.kind in "iu" and not is_finite(want):
            options = {**call.options, "overflow": "raise", "progress": steps}
            with pytest.raises((ValueError, OverflowError)):
                getattr(fl, call.op)(call.a, call.k, call.mode, **options)
            return
        got = check(call.op, call.a, call.k, call.mode, progress=steps, **call.options)
        if got is None:
            return
        assert steps.are_of(got)
        out = np.asfortranarray(np.zeros(got.shape, got.dtype))
        assert check(call.op, call.a, call.k, call.mode, progress=steps, out=out, **call.options) is out


def is_finite(want):
    return not any(isinstance(v, (float, np.floating)) and not np.isfinite(v) for v in want.real.flat)


@cover(
    op=OPS,
    mode=MODES,
    boundary=BOUNDARIES,
    shape=((40,), (9, 14), (5, 6, 7)),
    taps=(1, 4, 5),
    stride=(1, 2),
    dilation=(1, 2),
    box=(1, 2, 3, 100),
    dtype=("float32", "float64", "int16", "complex64"),
)
def test_every_boundary_at_every_edge(op, mode, boundary, shape, taps, stride, dilation, box, dtype):
    rng = np.random.default_rng(3)
    reach = dilation * (taps - 1) + 1
    if mode == "valid" and reach > min(shape):
        return
    a, k = draw(rng, shape, dtype), draw(rng, (taps,) * len(shape), dtype)
    with boxes_of((box,) * len(shape)):
        check(op, a, k, mode, boundary=boundary, stride=stride, dilation=dilation, progress=Steps())


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_kernels_larger_than_the_array(boundary, size):
    rng = np.random.default_rng(4)
    a, k = draw(rng, (size, 3), "float64"), draw(rng, (9, 8), "float64")
    for mode in ("full", "same"):
        with boxes_of((2, 3)):
            check("convolve", a, k, mode, boundary=boundary, progress=Steps())


def test_terms_outside_zeros_stay_absent():
    """An infinite tap would make NaN of zeros that stand for what is not there."""
    a, k = np.ones((12, 12), np.float32), np.ones((3, 3), np.float32)
    k[0, 0] = np.inf
    whole = fl.convolve(a, k, "full")
    for box in ((1, 1), (3, 14), (5, 4)):
        with boxes_of(box):
            np.testing.assert_array_equal(fl.convolve(a, k, "full", progress=Steps()), whole)
    assert np.isfinite(whole[0, 1:]).any() and not np.isnan(whole).any()


@pytest.mark.parametrize("method", ["direct", "separable", "spectral", "reference"])
def test_every_method(method):
    rng = np.random.default_rng(5)
    a, k = draw(rng, (60, 50), "float64"), np.multiply.outer(*draw(rng, (2, 9), "float64"))
    with boxes_of((17, 23)):
        got = fl.convolve(a, k, "same", boundary="wrap", method=method, progress=Steps())
    np.testing.assert_allclose(got, fl.convolve(a, k, "same", boundary="wrap"), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", [fl.kernels.gaussian(2), fl.kernels.Separable([1, 2, 1], [1, 0, -1])])
def test_factors_that_a_kernel_brings(kernel):
    a = draw(np.random.default_rng(11), (900, 800), "float32")
    want = fl.convolve(a, kernel, "same", boundary="wrap")
    np.testing.assert_array_equal(
        fl.convolve(a, kernel, "same", boundary="wrap", memory_limit=64 * MIB), want
    )
    with boxes_of((400, 500)):
        parts = fl.convolve(a, kernel, "same", boundary="wrap", progress=Steps())
    np.testing.assert_allclose(parts, want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("nan_policy", ["propagate", "omit"])
def test_missing_data(boundary, nan_policy):
    rng = np.random.default_rng(6)
    a, k = draw(rng, (30, 20), "float64"), rng.uniform(0.1, 1, (5, 4))
    mask = rng.random(a.shape) < 0.3
    if nan_policy == "omit":
        a[rng.random(a.shape) < 0.1] = np.nan
    options = {"boundary": boundary, "nan_policy": nan_policy, "mask": mask, "return_weight": True,
               "min_valid": 0.3}  # fmt: skip
    y, weight = fl.convolve(a, k, "same", **options)
    for box in ((1, 20), (7, 6), (30, 20)):
        with boxes_of(box):
            parts, shares = fl.convolve(a, k, "same", progress=Steps(), **options)
        np.testing.assert_allclose(parts, y, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(shares, weight, rtol=1e-12, atol=1e-14)


def test_missing_data_into_an_array_and_from_a_masked_one():
    rng = np.random.default_rng(7)
    a, k = (
        np.ma.masked_array(draw(rng, (30, 20), "float32"), rng.random((30, 20)) < 0.3),
        np.ones((3, 3), "f4"),
    )
    out = np.empty((30, 20), np.float32)
    with boxes_of((4, 20)):
        assert fl.convolve(a, k, "same", out=out, progress=Steps()) is out
    np.testing.assert_allclose(out, fl.convolve(a, k, "same"), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "a", [np.ones(()), np.ones((0, 5)), np.ones((3, 0, 4), np.uint8)], ids=["0-d", "empty", "empty uint8"]
)
def test_next_to_nothing(a):
    k = np.ones((1,) * a.ndim, a.dtype)
    options: dict[str, Any] = {"axes": -1} if a.size == 0 else {}
    k = np.ones(1, a.dtype) if a.size == 0 else k
    got = fl.convolve(a, k, "same", memory_limit=4 * MIB, progress=Steps(), **options)
    want = fl.convolve(a, k, "same", **options)
    assert got.shape == want.shape and got.dtype == want.dtype and type(got) is type(want)


# ---- which boxes


def costs_of(shape, taps, mode="same", boundary="wrap", dtype="float32", mapped=False, **options):
    """The costs of a call, its operands on a file or not."""
    a, k = np.broadcast_to(np.zeros(1, dtype), shape), np.ones(taps, dtype)
    given: dict[str, Any] = {
        "flip": True, "mode": mode, "boundary": boundary, "fill": 0, "axes": None, "anchor": None,
        "stride": 1, "dilation": 1, "method": "auto", "precision": "highest", "dtype": None,
        "overflow": "raise", "nan_policy": "propagate", "min_valid": 0.0, "return_weight": False,
        "workers": None,
    }  # fmt: skip
    how = Recipe(described(a, False, k, False, tuple((given | options).values()))[0])
    item = a.itemsize

    def layout(shape):
        steps = [item * prod(shape[axis + 1 :]) for axis in range(len(shape))]
        return Layout(tuple(steps), item, mapped)

    return Costs(how, Kernel(k), layout(shape), layout(how.out_shape))


@pytest.mark.parametrize(
    ("shape", "taps"),
    [((2000, 3000), (5, 5)), ((3000000,), (999,)), ((300, 70, 400), (3, 9, 3)), ((7, 1000000), (7, 301))],
    ids=str,
)
@pytest.mark.parametrize("boundary", ["wrap", "reflect"])
@pytest.mark.parametrize("limit", [4 * MIB, 9 * MIB])
def test_every_output_is_in_one_box_within_the_limit(shape, taps, boundary, limit):
    costs = costs_of(shape, taps, boundary=boundary, mapped=True)
    seen = np.zeros(shape, np.uint8)
    division = divide(costs, limit, False)
    for box in division.boxes():
        assert division.costs.bytes(box) <= limit
        seen[box] += 1
    assert (seen == 1).all()


def test_boxes_are_whole_rows_in_order():
    division = divide(costs_of((8192, 8192), (3, 3), boundary="reflect", mapped=True), 16 * MIB, False)
    boxes = list(division.boxes())
    assert all(box[1] == slice(0, 8192) for box in boxes)
    assert all(one[0].stop == other[0].start for one, other in pairwise(boxes))
    read = sum(prod(cut(division.costs.how, box).request.shape) for box in boxes)
    assert read <= 1.03 * 8192**2, "rows that two boxes read"


def test_large_kernels_get_boxes_in_proportion():
    """Strips of one row would read every sample 500 times."""
    division = divide(costs_of((40000, 400000), (501, 501), mode="valid", mapped=True), 64 * MIB, False)
    box = division.shape
    read = (box[0] + 500) * (box[1] + 500) / (box[0] * box[1])
    assert read < 4


def test_boxes_at_the_ends_are_cut_until_they_fit():
    division = divide(costs_of((4000, 4000), (9, 9), mapped=True), 8 * MIB, False)
    first, *_ = division.boxes()
    assert first[0].stop < division.shape[0], "it copies what wraps around"
    assert any(isinstance(along, Gathered) for along in cut(division.costs.how, first).source)


def test_boxes_do_not_depend_on_the_number_of_threads():
    a, k = np.ones((1500, 1500), np.float32), np.ones((64, 64), np.float32)
    seen = []
    for workers in (1, 2, 3):
        steps = Steps()
        fl.convolve(a, k, "same", memory_limit=4 * MIB, progress=steps, workers=workers, method="spectral")
        seen.append(steps.seen)
    assert seen[0] == seen[1] == seen[2]


def test_without_a_need_there_is_one_box():
    """Arrays in memory, a method that works in place: nothing to save."""
    costs = costs_of((8192, 8192), (3, 3), boundary="reflect")
    assert divide(costs, 16 * MIB, False).shape == (8192, 8192)
    assert divide(costs, None, False).shape == (8192, 8192)
    assert len(list(divide(costs, None, True).boxes())) < 20


# ---- memory


@pytest.mark.parametrize(
    ("shape", "dtype", "taps", "options"),
    [
        ((1200, 1500), "float32", (7, 7), {"boundary": "wrap"}),
        ((1200, 1500), ">f4", (7, 7), {"boundary": "reflect"}),
        ((2000000,), "float64", (4001,), {"boundary": "wrap", "method": "direct"}),
        ((1500, 1500), "uint8", (5, 5), {"overflow": "saturate"}),
        ((1200, 1500), "int16", (5, 5), {"boundary": "symmetric"}),
        ((700, 900), "complex64", (3, 3), {"boundary": "edge"}),
        ((1200, 1500), "float32", (3, 3), {"nan_policy": "omit", "boundary": "wrap"}),
        ((1200, 1500), "float32", (3, 3), {"nan_policy": "raise"}),
        ((90, 100, 110), "float64", (5, 3, 7), {"boundary": "wrap", "stride": 2}),
    ],
    ids=str,
)
def test_the_limit_is_kept(shape, dtype, taps, options):
    """Of what Python allocates, NumPy's arrays included; the working memory of the core comes on top."""
    rng = np.random.default_rng(8)
    small = draw(rng, shape, np.dtype(dtype).newbyteorder("="))
    a, k = small.astype(dtype), draw(rng, taps, np.dtype(dtype).newbyteorder("="))
    if options.get("nan_policy") == "omit":
        a[rng.random(shape) < 0.1] = np.nan
    with np.errstate(all="ignore"):
        want = fl.convolve(a, k, "same", **options)
    out = np.zeros(want.shape, want.dtype)
    limit = 4 * MIB
    fl.clear_cache()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        fl.convolve(a, k, "same", out=out, memory_limit=limit, workers=1, **options)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MIB:.2f} MiB"
    np.testing.assert_allclose(out, want, rtol=2e-5, atol=2e-4)


def test_the_smallest_limit_is_named_and_works():
    rng = np.random.default_rng(12)
    a, k = draw(rng, (20000,), "float64").astype(">f8"), draw(rng, (501,), "float64")
    options: dict[str, Any] = {"boundary": "wrap", "method": "direct"}
    with pytest.raises(
        ValueError, match=r"a single output takes \d+ bytes here; pass at least \d+"
    ) as caught:
        fl.convolve(a, k, "same", memory_limit=1000, **options)
    least = int(str(caught.value).split("at least ")[1].rstrip("."))
    with pytest.raises(ValueError, match=f"pass at least {least}"):
        fl.convolve(a, k, "same", memory_limit=least - 1, **options)
    steps = Steps()
    got = fl.convolve(a, k, "same", memory_limit=least, progress=steps, **options)
    np.testing.assert_allclose(got, fl.convolve(a, k, "same", **options), rtol=0, atol=1e-12)
    assert len(steps.seen) > 10


# ---- progress, interrupts, errors


def test_progress_counts_outputs():
    a, steps = np.ones((50, 40)), Steps()
    with boxes_of((7, 42)):
        y = fl.convolve(a, np.ones((3, 3)), progress=steps)
    assert steps.are_of(y) and len(steps.seen) == 8


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=repr)
def test_an_interrupted_array_is_said_to_be_in_parts(error):
    out, whole = np.full((40, 30), -1.0), fl.convolve(np.ones((40, 30)), np.ones((3, 3)), "same")
    with boxes_of((10, 30)), pytest.raises(type(error)) as caught:
        fl.convolve(np.ones((40, 30)), np.ones((3, 3)), "same", out=out, progress=Steps(2, error))
    assert caught.value is error
    assert "`out` is not whole: 600 of its 1200 outputs are computed" in "".join(caught.value.__notes__)
    assert (out[:20] == whole[:20]).all() and (out[20:] == -1).all()


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_what_does_not_fit_leaves_out_untouched_and_is_named_as_in_one_piece(dtype):
    a = np.zeros((40, 30), dtype)
    a[20:23, 10:13] = np.iinfo(dtype).max
    out, k = np.full((38, 28), 7, dtype), np.ones((3, 3), dtype)
    with pytest.raises(OverflowError) as whole:
        fl.convolve(a, k, "valid", out=out)
    with boxes_of((5, 28)), pytest.raises(OverflowError) as parts:
        fl.convolve(a, k, "valid", out=out, progress=Steps())
    place = r"the result at index (18, 9) is"
    assert place in str(whole.value) and str(parts.value).startswith(
        str(whole.value).partition(", beyond")[0]
    )
    assert place in str(parts.value) and "which holds every result" in str(parts.value)
    assert (out == 7).all()


def test_the_type_that_is_named_holds_every_result():
    """Also those of boxes that nobody has looked at."""
    a = np.zeros((40, 30), np.uint8)
    a[0, 0], a[1, 1], a[30:33, 10:13] = 255, 255, 255
    with boxes_of((5, 30)), pytest.raises(OverflowError, match=r"pass `dtype=np\.uint16`"):
        fl.convolve(a, np.full((3, 3), 20, np.uint8), "same", progress=Steps())
    y = fl.convolve(a, np.full((3, 3), 20, np.uint8), "same", dtype=np.uint16)
    assert y.max() == 20 * 9 * 255


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (300.4, OverflowError, r"the result at index \(27, 3\) is 300, beyond uint8"),
        (np.nan, ValueError, r"the result at index \(27, 3\) is NaN, which no integer type holds"),
        (-np.inf, ValueError, r"the result at index \(27, 3\) is -inf"),
    ],
)
def test_floats_that_no_integer_holds(value, error, words):
    a, out = np.ones((40, 30), np.float32), np.full((40, 30), 7, np.uint8)
    a[27, 3] = value
    with boxes_of((8, 30)), pytest.raises(error, match=words):
        fl.convolve(a, np.ones((1, 1), np.float32), "same", dtype=np.uint8, out=out, progress=Steps())
    assert (out == 7).all()


def test_nan_is_refused_before_anything_is_written():
    a, out = np.zeros((40, 30)), np.full((40, 30), 7.0)
    a[33, 12] = np.nan
    with boxes_of((5, 30)), pytest.raises(ValueError, match=r"`a` holds NaN \(at index \(33, 12\)\)"):
        fl.convolve(a, np.ones((3, 3)), "same", nan_policy="raise", out=out, progress=Steps())
    assert (out == 7).all()
    mask = np.isnan(a)
    with boxes_of((5, 30)):
        fl.convolve(a, np.ones((3, 3)), "same", nan_policy="raise", mask=mask, out=out, progress=Steps())
    assert (out == 0).all()
    with boxes_of((5,)), pytest.raises(ValueError, match=r"`k` holds NaN \(at index \(0,\)\)"):
        fl.convolve(a[0], [np.nan], "same", nan_policy="raise", progress=Steps())


def test_out_that_overlaps_goes_through_a_copy():
    rng = np.random.default_rng(9)
    a, k = draw(rng, (500, 600), "float64"), draw(rng, (3, 3), "float64")
    want = fl.convolve(a, k, "same")
    with pytest.raises(
        ValueError, match="beside a copy of the result, for `out` overlaps an operand; pass at"
    ):
        fl.convolve(a, k, "same", out=a, memory_limit=a.nbytes)
    with boxes_of((70, 600)):
        fl.convolve(a, k, "same", out=a, progress=Steps())
    np.testing.assert_array_equal(a, want)
    k2 = draw(rng, (500, 1), "float64")
    want = fl.convolve(a[:, :1], k2, "same")
    with boxes_of((50, 1)):
        fl.convolve(a[:, :1], k2, "same", out=k2, progress=Steps())
    np.testing.assert_array_equal(k2, want)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"memory_limit": 0}, ValueError, r"`memory_limit` \(=0\) must be at least 1"),
        ({"memory_limit": 1e9}, TypeError, r"`memory_limit` \(=1000000000.0\) must be an int"),
        ({"memory_limit": "1GB"}, TypeError, r"`memory_limit` \(='1GB'\) must be an int"),
        ({"memory_limit": True}, TypeError, r"`memory_limit` \(=True\) must be an int"),
        ({"progress": 5}, TypeError, r"`progress` \(=5\) must be callable as `progress\(done, total\)`"),
        (
            {"memory_limit": 1},
            ValueError,
            r"`memory_limit` \(=1\) is too small: a single output takes",
        ),
        (
            {"memory_limit": MIB, "out": np.zeros((3, 3), np.float32)},
            TypeError,
            "`out` .of float32. must have exactly the data type of the result, float64",
        ),
    ],
    ids=str,
)
def test_wrong_arguments(options, error, words):
    with pytest.raises(error, match=words):
        fl.convolve(np.ones((3, 3)), np.ones((2, 2)), "same", **options)


def test_a_method_that_needs_more_says_so():
    a, k = np.broadcast_to(1.0, (10**8,)), np.ones(600000)
    with pytest.raises(ValueError, match=r"is too small for `method` 'spectral'; pass a larger one"):
        fl.convolve(a, k, "same", method="spectral", memory_limit=2 * MIB)


def test_bfloat16():
    rng = np.random.default_rng(10)
    a, k = draw(rng, (40, 30), BFLOAT16), draw(rng, (3, 3), BFLOAT16)
    with boxes_of((9, 30)):
        check("correlate", a, k, "same", boundary="wrap", progress=Steps())
