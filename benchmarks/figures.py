"""The pictures of docs/numerics.md: ``python -m benchmarks.figures``.

One function a picture, from what `benchmarks.numerics` measured. A colour means the same in every picture;
they are those of Okabe and Ito, which people tell apart whatever their colour vision.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

from .findings import OWED, by_kind, conspiracy, deviation, promise, ratios, worst_sums
from .numerics import RESULTS

mpl.use("Agg")
from matplotlib import pyplot as plt

INK, FAINT, OUTSIDE, LINE = "#222222", "#858585", "#f3f3f3", "#e6e6e6"
COLOURS = {
    "direct": "#0072B2", "separable": "#56B4E9", "spectral, highest": "#009E73", "spectral, high": "#E69F00",
    "scipy.signal.fftconvolve": "#D55E00", "scipy.signal.oaconvolve": "#8a3d00", "cv2.filter2D": "#CC79A7",
    "scipy.ndimage.convolve": "#7f7f7f", "chain": "#D55E00", "numpy.correlate": "#7f7f7f",
}  # fmt: skip
STYLE = {
    "font.size": 10, "font.family": "DejaVu Sans", "axes.edgecolor": FAINT, "axes.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "xtick.color": INK, "ytick.color": INK, "text.color": INK,
    "lines.linewidth": 1.8, "savefig.dpi": 130,
}  # fmt: skip
DASHES, DOTS = (0, (5, 2)), (0, (1, 1.5))


def logarithmic(axes: Any, x: bool = False) -> None:
    """Decades only, and faint lines across."""
    axes.set_yscale("log")
    if x:
        axes.set_xscale("log")
    axes.minorticks_off()
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)


def label(axes: Any, x: float, y: float, text: str, colour: str, **place: Any) -> None:
    """A name beside its line."""
    box = (
        {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.0}
        if place.pop("boxed", False)
        else None
    )
    place = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontsize": 9} | place
    axes.annotate(text, (x, y), color=colour, bbox=box, **place)


# ---- pictures


def sums(data: dict[str, Any]) -> Any:
    """The error of long sums against the number of taps."""
    figure, axes = plt.subplots(figsize=(7.6, 4.0), layout="constrained")
    logarithmic(axes, x=True)
    taps = np.unique(np.geomspace(1, 1e5, 400).astype(int))
    axes.fill_between(taps, promise(taps), 1e6, color=OUTSIDE, linewidth=0)
    axes.plot(taps, promise(taps), color=INK)
    label(axes, 1.2, 600, "the promise: 1.1·min(n, 256) + ⌈n/256⌉ + 20", INK, xytext=(0, 0))
    names = {"chain": "one chain", "numpy.correlate": "numpy.correlate", "direct": "faltung, direct"}
    for way, name in names.items():
        points = sorted(worst_sums(data)[way].items())
        axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[way], markersize=3.5)
        label(axes, *points[-1], name, COLOURS[way])
    axes.set(xlim=(1, 1.2e5), ylim=(0.3, 4e4), xlabel="taps, n", ylabel="largest error, in units of u·S")
    axes.set_title("Sums of n float32 products: the worst of four kinds of data")
    return figure


def transforms(data: dict[str, Any]) -> Any:
    """The noise of one block against its points."""
    figure, both = plt.subplots(1, 2, figsize=(9.6, 4.0), sharey=True, layout="constrained")
    words = (("highest", "in float64, u = 2⁻⁵³", "2⁻⁴⁴"), ("high", "in float32, u = 2⁻²⁴", "2⁻¹⁴"))
    right = {"ha": "right", "va": "bottom", "xytext": (-3, 4)}
    below = {"ha": "right", "va": "top", "xytext": (-3, -4)}
    for axes, (word, title, power) in zip(both, words, strict=True):
        logarithmic(axes)
        kinds, colour = by_kind(data, word), COLOURS["spectral, " + word]
        bits = np.arange(5, 1 + max(x for points in kinds.values() for x in points))
        axes.fill_between(bits, OWED[word], 1e7, color=OUTSIDE, linewidth=0)
        axes.axhline(OWED[word], color=INK)
        label(axes, bits[-1], OWED[word], f"the promise, {power} = {OWED[word]} u", INK, **below)
        axes.plot(bits, conspiracy(bits), color=FAINT, linestyle=DOTS)
        label(axes, 11.5, conspiracy(11.5), "if all roundings conspired", FAINT, **right)
        axes.plot(bits, deviation(bits), color=FAINT, linestyle=DASHES)
        label(axes, bits[-1], deviation(bits[-1]), "a standard deviation, at most", FAINT, **right)
        for points in kinds.values():
            noise = np.maximum(list(points.values()), 1e-3)
            axes.plot(list(points), noise, color=colour, linewidth=0.8, alpha=0.6)
        worst = [max(points[x] for points in kinds.values()) for x in bits]
        axes.plot(bits, worst, "o-", color=colour, markersize=3.5)
        label(axes, bits[-1], min(worst[-4:]), "the worst of nine kinds of data", colour, boxed=True, **below)
        axes.set(xlim=(5, bits[-1]), ylim=(0.03, 4e5), xlabel="log₂ of the points of a block")
        axes.set_title(title)
    both[0].set_ylabel("largest error, in units of u·X·Σ|k|")
    return figure


def hostile(data: dict[str, Any]) -> Any:
    """Error over bound for every kind of data, beside others."""
    found = ratios(data)
    kinds = list(found["direct, highest"])[::-1]
    figure, axes = plt.subplots(figsize=(9.2, 4.6), layout="constrained")
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.axvspan(1, 1e30, color=OUTSIDE, linewidth=0)
    axes.axvline(1, color=INK)
    for i in range(len(kinds)):
        axes.axhline(i, color=LINE, linewidth=0.8, zorder=0)
    for offset, (way, ratio) in zip(np.linspace(0.27, -0.27, len(found)), found.items(), strict=True):
        method = way.removesuffix(", highest") if way.startswith(("direct", "separable")) else way
        ours = ", " in way
        axes.plot(
            [ratio[kind] for kind in kinds], np.arange(len(kinds)) + offset, "o" if ours else "D",
            linestyle="", markersize=6, color=COLOURS[method], label=f"faltung, {method}" if ours else way,
        )  # fmt: skip
    for text, side in (("kept", "right"), ("broken", "left")):
        label(axes, 1, len(kinds) - 0.5, text, INK, ha=side, xytext=(-5 if side == "right" else 5, 0))
    axes.set_yticks(range(len(kinds)), kinds)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(xlim=(1e-5, 1e28), ylim=(-0.5, len(kinds) - 0.2))
    axes.set_xlabel('largest error of any output, over the bound of sums (of "high" for itself)')
    axes.set_xticks([1e-4, 1, 1e4, 1e8, 1e12, 1e16, 1e20, 1e24])
    axes.set_title("float32 images of 60 × 80, 15 × 13 taps")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9, handletextpad=0.2)
    return figure


def spike(data: dict[str, Any]) -> Any:
    """The error along a signal with one large sample."""
    found = data["spike"]
    step, half = found["step"], found["taps"] // 2
    figure, axes = plt.subplots(figsize=(9.2, 4.2), layout="constrained")
    logarithmic(axes)
    at = (np.arange(len(found["errors"]["direct"])) + 0.5) * step - half
    axes.axvspan(found["at"] - half, found["at"] + half, color=OUTSIDE, linewidth=0)
    place = {"va": "bottom", "xytext": (6, 0)}
    label(axes, found["at"] + half, 1.5e-7, "windows with the spike", INK, **place)
    ways = [
        "scipy.signal.fftconvolve",
        "scipy.signal.oaconvolve",
        "spectral, high",
        "spectral, highest",
        "direct",
    ]
    for way in ways:
        name = way if "scipy" in way else f"faltung, {way}"
        axes.plot(at, found["errors"][way], color=COLOURS[way], linewidth=1.3, label=name)
    for way, colour, dashes in (("spectral, high", FAINT, DOTS), ("spectral, highest", INK, DASHES)):
        bound = found["bounds"][way]
        axes.plot(at, bound, color=colour, linewidth=1.2, linestyle=dashes, label=f"bound of {way}")
    axes.set(xlim=(22_000, 38_000), ylim=(1e-7, 1e7), xlabel="output", ylabel="|error|")
    axes.set_title("Noise of size 1 with one sample of 10⁸, 501 taps, float32")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def sky(data: dict[str, Any]) -> Any:
    """The same picture blurred by three libraries: where the error is, in units of u S."""
    found = data["picture"]
    kept = np.log10(promise(np.prod(found["taps"])))
    figure, grid = plt.subplots(2, 3, figsize=(9.6, 4.7), layout="constrained")
    panels = grid.ravel()
    image = unpacked(found["sky"], found["shape"])
    panels[0].imshow(image, cmap="gray", vmin=-0.5, vmax=6.5, interpolation="nearest")
    panels[0].set_title("a sky of 1, stars up to 10⁷", fontsize=9.5)
    panels[0].set_xlabel("brightness, logarithmic", fontsize=9)
    faltung = [f"faltung, {way}" for way in ("spectral, high", "spectral, highest", "direct")]
    order = ["scipy.signal.fftconvolve", "cv2.filter2D", *faltung]
    errors = None
    for axes, way in zip(panels[1:], order, strict=True):
        values, largest = (
            unpacked(found["maps"][way]["tenths"], found["shape"]),
            found["maps"][way]["largest"],
        )
        levels = {"cmap": "RdYlBu_r", "vmin": kept - 3.5, "vmax": kept + 3.5, "interpolation": "nearest"}
        errors = axes.imshow(values, **levels)
        axes.set_title(way, fontsize=9.5)
        axes.set_xlabel(
            f"at most {largest:,.0f} u·S" if largest > 9 else f"at most {largest:.2g} u·S", fontsize=9
        )
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    bar = figure.colorbar(errors, ax=grid, shrink=0.75, aspect=28)
    bar.set_ticks([-1, 0, 1, kept, 4, 5, 6], labels=["0.1", "1", "10", "promise", "10⁴", "10⁵", "10⁶"])
    bar.ax.tick_params(length=0, labelsize=9)
    bar.ax.axhline(kept, color=INK, linewidth=1.2)
    bar.set_label("|error| in units of u·S", labelpad=2)
    bar.outline.set_visible(False)
    return figure


def unpacked(text: str, shape: list[int]) -> Any:
    """What ``numerics.packed`` made: decades."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), np.int8).reshape(shape) / 10


PICTURES = (sums, transforms, hostile, spike, sky)


def main(arguments: list[str] | None = None) -> int:
    """Draw every picture beside the file."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.figures", description=(__doc__ or "").partition("\n")[0]
    )
    p.add_argument("--json", metavar="FILE", type=Path, default=RESULTS, help="what numerics measured")
    options = p.parse_args(arguments)
    data = json.loads(options.json.read_text(encoding="utf-8"))
    with plt.rc_context(STYLE):
        for draw in PICTURES:
            picture, canvas = draw(data), io.BytesIO()
            picture.savefig(canvas, format="png")
            plt.close(picture)
            image = Image.open(canvas).convert("RGB").quantize(256, dither=Image.Dither.NONE)
            image.save(options.json.parent / f"{draw.__name__}.png", optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
