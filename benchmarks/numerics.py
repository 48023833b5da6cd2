"""Errors beside their bounds: ``python -m benchmarks.numerics`` measures what docs/numerics.md tells.

Writes docs/numerics/results.json; ``python -m benchmarks.figures`` draws it and prints the page's tables.
Nothing is timed: another machine changes last digits only.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung import _core
from faltung._ways import Choice, Way

from .contestant import module
from .exact import DATA, error_of, signs, spiked, wide

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "numerics" / "results.json"
SINGLE, DOUBLE = 2.0**-24, 2.0**-53
Array = NDArray[Any]
Rows = list[dict[str, Any]]


def short(value: Any) -> float:
    """Three digits."""
    return float(f"{float(value):.3g}")


# ---- long sums


def long_sums() -> Rows:
    """Valid correlations of float32 data with n taps: the largest error of eight outputs, in units of u S."""
    ways = {
        "direct": lambda a, k: fl.correlate(a, k, "valid", method="direct"),
        "chain": chain,
        "numpy.correlate": lambda a, k: np.correlate(a, k, "valid"),
    }
    rows = []
    for n in (1, 3, 10, 30, 100, 256, 1000, 3000, 10_000, 30_000, 100_000):
        for name in ("random", "all 1/3", "alternating ±0.1", "forty decades"):
            rng = np.random.default_rng(n)
            a, k = (DATA[name](rng, size).astype(np.float32) for size in (n + 7, n))
            if name == "alternating ±0.1":
                k = np.full(n, 1 / 3, np.float32)
            for way, run in ways.items():
                found = [error_of(float(v), a[i : i + n], k) for i, v in enumerate(run(a, k))]
                units = max(error / size for error, size in found) / SINGLE
                rows.append({"taps": n, "data": name, "way": way, "units": short(units)})
    return rows


def chain(a: Array, k: Array) -> Array:
    """One addition after the other."""
    return np.array([np.add.accumulate(a[i : i + k.size] * k)[-1] for i in range(a.size - k.size + 1)])


# ---- the noise of transforms


def transforms(most: int) -> Rows:
    """One block of N points, N up to 2^most: the largest error in units of u X Σ|k|."""
    rows = []
    for bits in range(5, most + 1):
        for name, a, k in blocks(2**bits):
            for word, unit in (("highest", DOUBLE), ("high", SINGLE)):
                dtype = np.float64 if word == "highest" else np.float32
                x, w = a.astype(dtype), k.astype(dtype)
                y = by_one_block(x, w, word)
                shown = np.unique(
                    np.linspace(0, y.size - 1, max(30, min(y.size, 10**6 // w.size))).astype(int)
                )
                error = max(error_of(float(y[i]), x[i : i + w.size], w)[0] for i in shown)
                units = error / (unit * float(abs(x).max()) * math.fsum(abs(w.astype(float))))
                rows.append({"points": x.size, "data": name, "precision": word, "units": short(units)})
    return rows


def blocks(points: int) -> Iterator[tuple[str, Array, Array]]:
    """Samples that fill one block, and a quarter as many taps."""
    rng = np.random.default_rng(points)
    taps = points // 4
    one = np.zeros(taps)
    one[taps // 3] = 1
    noise, tone, equal = (
        rng.standard_normal(points),
        np.sin(1 + np.arange(points) * 0.7),
        np.full(points, 1 / 3),
    )
    yield "noise, noise", noise, rng.standard_normal(taps)
    yield "noise, a box", noise, np.ones(taps)
    yield "noise, one tap", noise, one
    yield "constant, a box", equal, np.full(taps, 1 / 3)
    yield "signs, one tap", np.sign(noise), one
    yield "alternating, a box", signs(points) / 10, np.ones(taps)
    yield "a tone, one tap", tone, one
    yield "a tone, a tone", tone, tone[:taps]
    yield "signs, signs", np.sign(noise), np.sign(rng.standard_normal(taps))


def by_one_block(x: Array, w: Array, word: str) -> Array:
    """The valid correlation by one transform of the whole, whatever the planner would take."""
    plan = fl.plan_correlate(x.shape, w, "valid", dtype=x.dtype, precision=word, method="direct")
    way = Way("spectral", "f64" if word == "highest" else "f32", 1.0, 0, 1, x.shape)
    return plan._recipe.run(x, plan._kernel, None, 1, Choice(way))


# ---- every kind of data, beside others


def hostile() -> Rows:
    """float32 images of 60 × 80 and a product of 15 × 13 taps: the largest error over the bound of sums.

    "high" alone is held to its own bound.
    """
    rows = []
    for name, make in DATA.items():
        rng = np.random.default_rng(7)
        a = make(rng, 4800).reshape(60, 80).astype(np.float32)
        k = np.outer(rng.integers(1, 99, 15), rng.integers(-99, 99, 13)).astype(np.float32) / 2**12
        exact = wide(a, k)[0][7:-7, 6:-6]
        for way, y, bound in answers(a, k):
            ratio = short((abs(y.astype(np.longdouble) - exact) / bound).max())
            rows.append({"data": name, "way": way, "ratio": ratio})
    return rows


def answers(a: Array, k: Array) -> Iterator[tuple[str, Array, Array]]:
    """Mode same with zeros around, by every method and by others, each with the bound that it is held to."""
    sums = fl.plan_convolve(a.shape, k, "same", dtype=a.dtype, method="direct").error_bound(a)
    ours = [("direct", "highest"), ("separable", "highest"), ("spectral", "highest"), ("spectral", "high")]
    for method, word in ours:
        plan = fl.plan_convolve(a.shape, k, "same", dtype=a.dtype, method=method, precision=word)
        yield f"{method}, {word}", plan(a), sums if word == "highest" else plan.error_bound(a)
    for name, y in others(a, k).items():
        yield name, y, sums
    ndimage = module("scipy.ndimage")
    yield "scipy.ndimage.convolve", ndimage.convolve(a, k, mode="constant"), sums


def others(a: Array, k: Array) -> dict[str, Array]:
    """Two libraries that transform."""
    signal, cv2 = module("scipy.signal"), module("cv2")
    turned = np.ascontiguousarray(k[::-1, ::-1])
    return {
        "scipy.signal.fftconvolve": signal.fftconvolve(a, k, "same"),
        "cv2.filter2D": cv2.filter2D(a, -1, turned, borderType=cv2.BORDER_CONSTANT),
    }


# ---- one spike


def spike() -> dict[str, Any]:
    """Noise of 60 000 samples with one of 10^8, 501 taps, float32: the error along the signal."""
    rng = np.random.default_rng(5)
    a, k = spiked(rng, 60_000, 1e8).astype(np.float32), rng.standard_normal(501).astype(np.float32)
    exact, _ = wide(a, k)
    plans = {
        "direct": fl.plan_convolve(a.shape, k, dtype=a.dtype, method="direct"),
        "spectral, highest": fl.plan_convolve(a.shape, k, dtype=a.dtype, method="spectral"),
        "spectral, high": fl.plan_convolve(a.shape, k, dtype=a.dtype, method="spectral", precision="high"),
    }
    signal = module("scipy.signal")
    results = {name: plan(a) for name, plan in plans.items()}
    results["scipy.signal.fftconvolve"] = signal.fftconvolve(a, k)
    results["scipy.signal.oaconvolve"] = signal.oaconvolve(a, k)
    return {
        "taps": k.size, "at": a.size // 2, "step": STEP,
        "errors": {name: coarse(abs(y.astype(np.longdouble) - exact)) for name, y in results.items()},
        "bounds": {name: coarse(plan.error_bound(a)) for name, plan in plans.items()},
        "blocks": {name: plan.block for name, plan in plans.items()},
    }  # fmt: skip


STEP = 100


def coarse(values: Array) -> list[float]:
    """The largest of every few values."""
    padded = np.pad(values, (0, -values.size % STEP))
    return [short(v) for v in padded.reshape(-1, STEP).max(axis=1)]


# ---- a picture


def picture() -> dict[str, Any]:
    """Stars blurred by 31 × 31 taps in float32: log10 of |error| / (u S) at every pixel."""
    a = stars((80, 120))
    taps = np.hanning(33)[1:-1]
    k = np.outer(taps, taps).astype(np.float32)
    k /= k.sum()
    exact, size = (full[15:-15, 15:-15] for full in wide(a, k))
    results = others(a, k) | {
        "faltung, direct": fl.convolve(a, k, "same", method="direct"),
        "faltung, spectral, highest": fl.convolve(a, k, "same", method="spectral"),
        "faltung, spectral, high": fl.convolve(a, k, "same", method="spectral", precision="high"),
    }
    maps = {}
    for way, y in results.items():
        units = (abs(y.astype(np.longdouble) - exact) / size).astype(float) / SINGLE
        maps[way] = {"largest": short(units.max()), "tenths": packed(10 * np.log10(np.maximum(units, 1e-3)))}
    return {"shape": a.shape, "taps": k.shape, "sky": packed(10 * np.log10(a)), "maps": maps}


def stars(shape: tuple[int, int]) -> Array:
    """A dark sky of brightness 1 with noise, and six stars of 10^2 to 10^7, spread over some pixels."""
    rng = np.random.default_rng(3)
    y, x = np.indices(shape)
    sky = 1 + 0.1 * rng.standard_normal(shape)
    for brightness in np.geomspace(1e2, 1e7, 6):
        row, column = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        sky += brightness * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2)
    return sky.astype(np.float32)


def packed(values: Array) -> str:
    """Small integers as text."""
    small = np.clip(np.rint(values), -127, 127).astype(np.int8)
    return base64.b85encode(zlib.compress(small.tobytes(), 9)).decode()


def text_of(document: dict[str, Any]) -> str:
    """JSON with a line for every row."""
    parts = []
    for name, value in document.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in value)
            text = f"[\n{rows}\n ]"
        parts.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure everything and write the file."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.numerics", description=(__doc__ or "").partition("\n")[0]
    )
    p.add_argument("--json", metavar="FILE", type=Path, default=RESULTS, help="where to write")
    p.add_argument("--bits", type=int, default=18, help="log2 of the longest transform (default: 18)")
    options = p.parse_args(arguments)
    versions = {name: module(name).__version__ for name in ("numpy", "scipy", "cv2")}
    document = {
        "faltung": fl.__version__, "isa": _core.isa(), "versions": versions, "long_sums": long_sums(),
        "transforms": transforms(options.bits), "hostile": hostile(), "spike": spike(), "picture": picture(),
    }  # fmt: skip
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(text_of(document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
