"""The promise of transposed layers at every output, on data chosen to break it; threads; instruction sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
from faltung import _core
from grids import BFLOAT16, COMPLEX, FLOATS, cover
from hostile import CASES, hostile
from nn_tools import KINDS, LAYOUTS, Shape, turned, turned_weights
from nn_transposed import METHODS, by_every_method, check, layer, oracle, planned, residual_for, stays_within

HERE = Path(__file__).parent
FORCED = "FALTUNG_ISA" in os.environ  # such a run is one of several that cover them all
OTHERS = [] if FORCED else [isa for isa in _core.available_isas() if isa != _core.isa()]
GEOMETRY = {
    "k4s2": {"stride": 2, "padding": 1},
    "k=s": {"stride": 3},
    "odd": {"stride": 2, "padding": 1, "output_padding": 1},
    "dilated": {"stride": 3, "dilation": 2},
    "one": {},
}
TAPS = {"k4s2": 4, "k=s": 3, "odd": 3, "dilated": 4, "one": 3}


@pytest.fixture
def rng():
    return np.random.default_rng(481)


@cover(
    dtype=FLOATS + COMPLEX,
    data=(*CASES, "random"),
    weights=("random", "spike", "cancellation", "decades", "alternating", "subnormal", "large"),
    kind=KINDS,
    layout=LAYOUTS,
    geometry=GEOMETRY,
    rank=(1, 2, 3),
)
def test_hostile_data(rng, dtype, data, weights, kind, layout, geometry, rank):
    if dtype == np.complex128 and geometry == "k=s":
        geometry = "k4s2"  # a single product may lose the smallest number twice, and `allowance` is for sums
    shape, sizes = Shape.of(kind, 6, 5), {1: (31,), 2: (6, 9), 3: (3, 4, 3)}[rank]
    x = turned(hostile(data, rng, (2, shape.inside, *sizes), dtype), layout)
    taps = (TAPS[geometry],) * rank
    w = hostile(weights, rng, (shape.inside, shape.outside // shape.groups, *taps), dtype)
    w = turned_weights(w, layout)
    options = GEOMETRY[geometry] | {"groups": shape.groups, "layout": layout}
    want = oracle(x, w, **options)
    check(x, w, want=want, **options)
    ran = [method for method in METHODS if stays_within(x, w, None, method, want, **options)]
    assert "reference" in ran


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("geometry", GEOMETRY)
@pytest.mark.parametrize("dtype", ["float32", "float64", BFLOAT16], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_reaches_the_outputs_of_its_taps_and_no_other(rng, kind, geometry, dtype, value):
    shape = Shape.of(kind, 4, 3)
    for layout in LAYOUTS:
        x, w, b = layer(rng, dtype, shape, (6, 7), (TAPS[geometry],) * 2, 2, layout)
        options = GEOMETRY[geometry] | {"groups": shape.groups, "layout": layout}
        x[(0, 1, 2, 3) if layout == "channels_first" else (0, 2, 3, 1)] = value
        w[w == 0] = 1
        by_every_method(x, w, b, **options)
        got = fl.nn.conv_transpose(x, w, b, **options)
        assert np.isfinite(got[1]).all() and not np.isfinite(got[0]).all()
        # A weight that is not finite reaches what its tap reaches: beyond the ends it multiplies nothing.
        x[...], w[(0, 0, 1, 2) if layout == "channels_first" else (1, 2, 0, 0)] = 0.5, value
        by_every_method(x, w, b, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [300, 2000])
def test_long_sums_keep_the_bound(rng, layout, channels):
    x, w, b = layer(rng, "float32", Shape(channels, 3, 1), (3, 4), (4, 4), 1, layout)
    for values in (np.abs(x), x):
        want = oracle(values, w, b, stride=2, layout=layout)
        for method in METHODS:
            stays_within(values, w, b, method, want, stride=2, layout=layout)


@cover(
    kind=KINDS,
    layout=LAYOUTS,
    dtype=("float32", "float64", "float16", "int8", "complex64"),
    geometry=GEOMETRY,
    sizes=((40, 30), (3000,), (7, 8, 9)),
    residual=(False, True),
)
def test_same_bits_for_any_number_of_workers(rng, kind, layout, dtype, geometry, sizes, residual):
    shape = Shape.of(kind, 20, 18)
    x, w, b = layer(rng, dtype, shape, sizes, (TAPS[geometry],) * len(sizes), 1, layout)
    options = GEOMETRY[geometry] | {"groups": shape.groups, "layout": layout}
    if residual:
        options["residual"] = residual_for(rng, x, w, **options)
    for method in ("auto", *METHODS[:-1]):
        try:
            alone = fl.nn.conv_transpose(x, w, b, method=method, workers=1, **options)
        except fl.FaltungError:
            continue
        for workers in (2, 3, 5):
            got = fl.nn.conv_transpose(x, w, b, method=method, workers=workers, **options)
            assert got.tobytes() == alone.tobytes(), f"{method}, {workers} workers"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strips_and_pieces_of_channels(rng, layout):
    """Results far larger than what waits to be woven, batches that share it, weights that are read once."""
    for inside, outside, groups, sizes, taps, stride in [
        (8, 40, 1, (70, 90), (4, 4), 2),
        (300, 200, 1, (12, 13), (4, 4), 2),
        (24, 48, 12, (60, 70), (3, 4), 2),
        (12, 12, 12, (90, 80), (4, 4), (3, 2)),
        (3, 5, 1, (20, 24), (16, 16), 8),
        (40, 3, 1, (9000,), (16,), 8),
    ]:
        x, w, b = layer(rng, "float32", Shape(inside, outside, groups), sizes, taps, 2, layout)
        options = {"stride": stride, "padding": 1, "groups": groups, "layout": layout, "activation": "relu"}
        r = residual_for(rng, x, w, **{name: v for name, v in options.items() if name != "activation"})
        want = fl.nn.conv_transpose(
            *(v.astype(np.float64) for v in (x, w, b)), residual=r.astype(np.float64), **options
        )
        near = 1e-4 * np.abs(want).max()
        for method in METHODS[:-1]:
            plan = planned(x, w, b, method, **options)
            if plan is not None:
                np.testing.assert_allclose(plan(x, residual=r), want, rtol=0, atol=near, err_msg=method)


@pytest.mark.parametrize("isa", OTHERS)
def test_transposed_layers_under_another_instruction_set(isa, plain_environment):
    # conftest fails a run that asks for one instruction set and gets another.
    tests = [str(HERE / f"test_nn_transpose{part}.py") for part in ("", "_promise")]
    names = "test_the_grid or test_layers_of_networks or test_hostile or test_strips"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", names, *tests],
        env={**plain_environment, "FALTUNG_ISA": isa},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
