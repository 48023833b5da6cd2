"""Layers and threads: the same bits for any number of them, and for a plan that many of them share."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import faltung as fl
from grids import BFLOAT16, cover, draw
from nn_tools import KINDS, LAYOUTS, METHODS, Shape, layer, planned, residual_for
from scripts import SECONDS


@pytest.fixture
def rng():
    return np.random.default_rng(471)


# Batches, maps and reductions that are split among threads in different ways.
SPLITS = {
    "batch": ((8, 16, 16), (20, 20), (3, 3)),
    "rows": ((1, 16, 24), (70, 60), (3, 3)),
    "channels": ((1, 48, 300), (7, 7), (3, 3)),
    "one position": ((1, 1500, 100), (1, 1), (1, 1)),
    "reduction": ((1, 700, 16), (4, 4), (3, 3)),
    "row": ((1, 16, 32), (5000,), (9,)),
    "volume": ((2, 6, 12), (12, 13, 14), (3, 3, 3)),
}


@cover(
    split=SPLITS,
    kind=KINDS,
    layout=LAYOUTS,
    dtype=("float32", "float64", "float16", BFLOAT16, "int8", "complex64"),
    stride=(1, 2),
    activation=(None, "relu"),
)
def test_same_bits_for_any_number_of_workers(rng, split, kind, layout, dtype, stride, activation):
    (batch, inside, outside), sizes, taps = SPLITS[split]
    shape = Shape(inside, outside, 1) if kind == "dense" else Shape.of(kind, min(inside, 40), 10)
    x, w, b = layer(rng, dtype, shape, sizes, taps, batch, layout)
    activation = None if dtype == "complex64" else activation
    options = {"groups": shape.groups, "layout": layout, "stride": stride, "activation": activation}
    r = residual_for(rng, x, w, **options)
    for method in ("auto", *METHODS[:-1]):
        if planned(x, w, b, method, **options) is None:
            continue
        alone = fl.nn.conv(x, w, b, residual=r, method=method, workers=1, **options)
        for workers in (2, 3, 5):
            got = fl.nn.conv(x, w, b, residual=r, method=method, workers=workers, **options)
            assert got.tobytes() == alone.tobytes(), f"{method}, {workers} workers"


def test_the_definition_has_the_same_bits_too(rng):
    x, w, b = layer(rng, "float32", Shape(5, 7, 1), (12, 13), (3, 3))
    alone = fl.nn.conv(x, w, b, method="reference", workers=1)
    for workers in (2, 3, 8):
        assert fl.nn.conv(x, w, b, method="reference", workers=workers).tobytes() == alone.tobytes()


def test_the_setting_has_the_same_bits_as_workers(rng):
    x, w, b = layer(rng, "float32", Shape(32, 48, 1), (40, 41), (3, 3))
    alone, before = fl.nn.conv(x, w, b, workers=1), fl.get_num_threads()
    try:
        for n in (1, 2, 5):
            fl.set_num_threads(n)
            assert fl.nn.conv(x, w, b).tobytes() == alone.tobytes()
    finally:
        fl.set_num_threads(before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_bits_for_any_strides(rng, layout):
    x, w, b = layer(rng, "float32", Shape(24, 33, 1), (19, 23), (3, 3), 2, layout)
    want = fl.nn.conv(x, w, b, layout=layout, workers=1).tobytes()
    for view in (np.asfortranarray(x), np.repeat(x, 2, axis=-1)[..., ::2], x[:, ::-1].copy()[:, ::-1]):
        for workers in (1, 2):
            assert fl.nn.conv(view, w, b, layout=layout, workers=workers).tobytes() == want


# ---- one plan, many threads


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [1, 2])
def test_one_plan_in_many_threads(rng, kind, workers):
    """Workspace belongs to the call: nobody's results depend on the others."""
    shape = Shape.of(kind, 16, 12)
    x, w, b = layer(rng, "float32", shape, (33, 31), (3, 3))
    plan = fl.nn.plan_conv(
        x.shape, w, b, dtype=x.dtype, groups=shape.groups, padding=1, workers=workers, activation="silu"
    )
    inputs = [draw(rng, x.shape, np.float32) for _ in range(30)]
    expected = [plan(item).tobytes() for item in inputs]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda item: plan(item).tobytes(), inputs)) == expected


def test_many_layers_at_once(rng):
    jobs = []
    for i, kind in enumerate(KINDS * 2):
        shape = Shape.of(kind, 6 + i, 9)
        options = {"groups": shape.groups, "padding": 1, "layout": LAYOUTS[i % 2]}
        arrays = layer(rng, ("float32", "float64")[i // 4], shape, (20 + i, 15), (3, 3), 2, LAYOUTS[i % 2])
        jobs.append((arrays, options))
    want = [fl.nn.conv(*arrays, workers=1, **options).tobytes() for arrays, options in jobs]

    def work(seed):
        for i in np.random.default_rng(seed).permutation(len(jobs)).tolist() * 3:
            arrays, options = jobs[i]
            if seed % 3 == 0:
                fl.clear_cache()
            assert fl.nn.conv(*arrays, workers=1 + seed % 3, **options).tobytes() == want[i]

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(work, seed) for seed in range(8)]:
            future.result(timeout=SECONDS)


# ---- pickles


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64", BFLOAT16, "int8"], ids=str)
def test_a_pickled_plan_gives_the_same_bits(rng, kind, dtype):
    shape = Shape.of(kind, 9, 11)
    x, w, b = layer(rng, dtype, shape, (14, 15), (3, 3))
    plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, groups=shape.groups, padding=1, activation="relu")
    want = plan(x).tobytes()
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        other = pickle.loads(pickle.dumps(plan, protocol))
        assert repr(other) == repr(plan) and other.method == plan.method
        assert other(x).tobytes() == want


def test_a_pickled_plan_runs_in_another_process(rng, tmp_path):
    x, w, b = layer(rng, "float32", Shape(16, 20, 1), (14, 15), (3, 3))
    plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, padding=1)
    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    np.save(tmp_path / "x.npy", x)
    script = (
        "import hashlib, pickle, numpy, sys; folder = sys.argv[1];"
        "plan = pickle.load(open(folder + '/plan', 'rb')); x = numpy.load(folder + '/x.npy');"
        "sys.stdout.buffer.write(plan(x).tobytes())"
    )
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, timeout=SECONDS)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout == plan(x).tobytes()


def test_a_call_lets_other_threads_run(rng):
    x, w = draw(rng, (4, 128, 120, 120), np.float32), draw(rng, (128, 128, 3, 3), np.float32)
    ticks, done = [], threading.Event()

    def call():
        fl.nn.conv(x, w, workers=1)
        done.set()

    thread = threading.Thread(target=call)
    thread.start()
    while not done.is_set():
        ticks.append(time.perf_counter())
        time.sleep(0.001)
    thread.join()
    assert len(ticks) > 5, "the interpreter stood still during a long call"
