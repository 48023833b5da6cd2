"""The planner: which methods are candidates, which one auto takes, and what it tells."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import faltung as fl
from faltung import _tuning
from faltung._ways import candidates

RANDOM = np.random.default_rng(0)
SQUARE = RANDOM.standard_normal((31, 31)).astype(np.float32)
OUTER = fl.kernels.gaussian(5)


def plan(shape, k, mode="same", **options):
    return fl.plan_convolve(shape, k, mode, **{"dtype": np.float32, **options})


# ---- what auto takes


@pytest.mark.parametrize(
    ("shape", "k", "options", "method"),
    [
        ((16,), [1, 2, 1], {}, "direct"),
        ((1000, 1000), np.ones((3, 3), np.float32) / 9, {"dtype": np.uint8, "result_dtype": np.uint8}, None),
        ((1000, 1000), SQUARE[:3, :3], {}, "direct"),
        ((1000, 1000), OUTER, {}, "separable"),
        ((100, 100, 100), fl.kernels.gaussian(3, ndim=3), {}, "separable"),
        ((10**6,), RANDOM.standard_normal(5000).astype(np.float32), {}, "spectral"),
        ((1000, 1000), RANDOM.standard_normal((101, 101)).astype(np.float32), {}, "spectral"),
        ((1000, 1000), RANDOM.standard_normal((101, 101)), {"dtype": np.complex128}, "spectral"),
        ((40, 40), OUTER.taps[:8, :8], {}, "direct"),
        ((1000, 1000), np.full((31, 31), 3), {"dtype": np.uint8, "result_dtype": np.int32}, "separable"),
        ((1000, 1000), np.arange(101**2).reshape(101, 101) ** 2 % 7,
         {"dtype": np.uint8, "result_dtype": np.int32}, "spectral"),
    ],
)  # fmt: skip
def test_auto_takes_what_is_clearly_fastest(shape, k, options, method):
    taken = plan(shape, k, **options)
    if method is not None:
        assert taken.method == method, taken.explain()
    told = {c.method: c for c in taken.explain().candidates}
    possible = [c.seconds for c in told.values() if c.seconds is not None]
    assert told[taken.method].chosen
    assert told[taken.method].seconds <= min(possible) + _tuning.SPLIT_SECONDS


def test_a_call_and_its_plan_take_the_same_method():
    """Same bits, so same method: for a kernel that can be split, and the same shape that cannot."""
    a = RANDOM.standard_normal((300, 300)).astype(np.float32)
    for k in (np.outer(np.arange(1, 16), np.arange(15, 0, -1)).astype(np.float32), SQUARE[:15, :15]):
        assert fl.convolve(a, k, "same").tobytes() == plan(a.shape, k)(a).tobytes()
        assert fl.convolve(a, k, "same").tobytes() == plan(a.shape, k)(a).tobytes()


def test_precision_decides_and_the_setting_is_part_of_every_decision():
    a = RANDOM.standard_normal(50000).astype(np.float32)
    k = RANDOM.standard_normal(3000).astype(np.float32)
    exact = fl.convolve(a, k, "same", method="reference")
    results = {}
    for word in ("highest", "high", "highest"):
        with fl.precision(word):
            results[word] = fl.convolve(a, k, "same")
        assert results[word].tobytes() == fl.convolve(a, k, "same", precision=word).tobytes()
    errors = {word: np.abs(y - exact).max() for word, y in results.items()}
    assert errors["highest"] < errors["high"] / 3
    told = plan(a.shape, k, precision="high").explain()
    assert "float32" in str(told) and "high" in [c.promise for c in told.candidates]


def test_the_choice_depends_on_nothing_but_the_request_and_the_taps():
    k = OUTER
    first = plan((500, 500), k)
    assert pickle.loads(pickle.dumps(first)).method == first.method
    assert plan((500, 500), k, workers=1).method == plan((500, 500), k, workers=2).method == first.method
    assert first.with_weights(np.asarray(k)[::-1]).method == first.method
    other = first.with_weights(RANDOM.standard_normal(k.shape))
    assert other.method != "separable"


# ---- what a plan tells


def test_explain_is_a_table_of_candidates():
    told = plan((1000, 1000), SQUARE).explain()
    assert [c.method for c in told.candidates] == ["direct", "separable", "spectral", "reference"]
    assert sum(c.chosen for c in told.candidates) == 1
    separable = told.candidates[1]
    assert separable.seconds is None and "sum of at most 3 outer products" in separable.reason
    lines = str(told).splitlines()
    assert lines[1].split() == ["method", "predicted", "extra", "memory", "promise", "why"]
    assert sum(line.startswith("*") for line in lines) == 1
    html = told._repr_html_()
    assert html.count("<tr>") == 5 and "<th>promise</th>" in html and "2^-44" in html


def test_explain_of_a_separable_plan_counts_products():
    told = dict(plan((1000, 1000), OUTER).explain().details)
    n = OUTER.shape[0]
    assert told["kernel"] == f"1 outer product: {2 * n} products a sample instead of {n * n}"
    two = np.add.outer(np.arange(20.0), np.arange(20.0) ** 2) + 1
    told = dict(plan((1000, 1000), two, method="separable").explain().details)
    assert "a sum of 2 outer products: 80 products" in told["kernel"]


def test_explain_of_a_spectral_plan_tells_its_blocks():
    p = plan((1000, 1000), SQUARE, method="spectral")
    told = dict(p.explain().details)
    assert told["transform"] == "float64, blocks of {} x {} points".format(*p.block)
    assert p.block is not None and all(n >= 31 for n in p.block)
    assert plan((1000, 1000), SQUARE, method="direct").block is None


def test_the_core_confirms_the_blocks_and_the_memory():
    """What the planner predicts of a spectral run is what the core says of it."""
    for shape, taps in (((10**6,), 1024), ((10**6,), 20000), ((512, 512), 63), ((80, 80, 80), 15)):
        k = RANDOM.standard_normal((taps,) * len(shape)).astype(np.float32)
        p = plan(shape, k, method="spectral")
        a, out = np.zeros(shape, np.float32), np.empty(shape, np.float32)
        way = p._choice.way
        core = p._recipe._bound(a, p._kernel, out, way.compute, "cast", way, True)
        told = core.summary()
        assert told["block"] == p.block
        assert told["scratch_bytes"] <= 1.25 * way.extra_bytes + 2**17
        assert told["weight_bytes"] <= 1.25 * way.spectrum + 2**17


# ---- measuring


def test_measure_tries_the_candidates_and_keeps_one():
    p = plan((200, 200), SQUARE[:15, :15], measure=True)
    assert p.method in ("direct", "spectral")
    assert "measured fastest" in str(p.explain())
    again = pickle.loads(pickle.dumps(p))
    assert again.method == p.method and "measured fastest" in str(again.explain())
    a = RANDOM.standard_normal((200, 200)).astype(np.float32)
    want = fl.convolve(a, SQUARE[:15, :15], "same", method=p.method)
    assert p(a).tobytes() == want.tobytes()
    assert plan((200, 200), SQUARE, method="direct", measure=True).method == "direct"


# ---- exactness and memory


def test_integers_stay_exact_by_every_method():
    a = RANDOM.integers(0, 256, (200, 210)).astype(np.uint8)
    k = np.multiply.outer(np.arange(-7, 9), np.arange(1, 17))
    want = fl.convolve(a, k, "same", dtype=np.int64, method="reference")
    ran = []
    p = fl.plan_convolve(a.shape, k, "same", dtype=a.dtype, result_dtype=np.int64)
    for candidate in candidates(p._recipe, p._kernel):
        method = getattr(candidate, "way", candidate).method
        assert np.array_equal(fl.convolve(a, k, "same", dtype=np.int64, method=method), want), method
        ran.append(method)
    assert ran == ["direct", "separable", "spectral", "reference"]


@pytest.mark.parametrize("shape", [(10**6,), (1024, 1024), (128, 128, 128), (64, 30000)])
@pytest.mark.parametrize("size", [15, 100])
def test_workspaces_fit_what_is_promised(shape, size):
    k = RANDOM.standard_normal([min(size, n // 4) for n in shape]).astype(np.float32)
    for dtype in (np.float32, np.float64):
        way = fl.plan_convolve(shape, k, "same", dtype=dtype, method="spectral")._choice.way
        output = np.prod(shape) * np.dtype(dtype).itemsize
        assert 2 * way.extra_bytes <= max(2 * _tuning.LEAST_SCRATCH, output / 2)
