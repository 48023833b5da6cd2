"""Pictures as data URIs, and plots as SVG whose colours and fonts are those of the page, light or dark."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faltung import plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that stand for a variable of the page's style sheet; no plot uses them otherwise.
INK, MUTED, ACCENT, SECOND, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {INK: "--ink", MUTED: "--muted", ACCENT: "--accent", SECOND: "--second", PAPER: "--paper"}


def picture(pixels: NDArray[Any], quality: int = 88) -> str:
    """Return 8-bit pixels as a JPEG in a data URI."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(
        file, "JPEG", quality=quality, optimize=True, subsampling=0
    )
    return f"data:image/jpeg;base64,{base64.b64encode(file.getbuffer()).decode()}"


def to_pixels(values: NDArray[Any], scale: float = 1.0, offset: float = 0.0) -> NDArray[np.uint8]:
    """Return ``values * scale + offset`` as 8-bit pixels."""
    return np.clip(np.rint(values * scale + offset), 0, 255).astype(np.uint8)


def bands(pictures: list[NDArray[np.uint8]], slant: float = 0.18) -> NDArray[np.uint8]:
    """Compose pictures of one size as slanted bands from left to right, with a bright seam between them."""
    height, width = pictures[0].shape[:2]
    row, column = np.mgrid[:height, :width]
    place = (column + slant * (row - height / 2)) / width * len(pictures)
    which = np.clip(place.astype(int), 0, len(pictures) - 1)
    composed = np.choose(which[..., None], pictures).astype(np.float64)
    seam = np.rint(place)
    distance = np.abs(place - seam) * width / len(pictures)
    bright = np.clip(1.7 - distance, 0, 1) * ((seam > 0) & (seam < len(pictures)))
    composed += (255 - composed) * bright[..., None]
    return to_pixels(composed)


def draw(
    make: Callable[[Axes], Any], alt: str, width: float = 4.0, height: float = 2.4, *, bare: bool = False
) -> str:
    """Return what `make` draws as inline SVG, with `alt` for those who cannot see it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": f"{alt}{width}", "font.size": 11, "text.color": INK,
        "axes.edgecolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED, "axes.spines.top": False,
        "axes.labelcolor": MUTED,
        "axes.spines.right": False, "axes.linewidth": 0.8, "legend.frameon": False, "axes.titlecolor": INK,
        "axes.titlesize": 12, "axes.titlelocation": "left", "lines.solid_capstyle": "round",
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        if bare:
            axes.set_axis_off()
        make(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(file.getvalue(), alt)


def _inline(svg: str, alt: str) -> str:
    """Make matplotlib's file fit into a page: no prologue, no fixed size, the page's colours and fonts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(?:xmlns:xlink|xmlns)="[^"]*"', "", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # it would style the whole page
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    svg = re.sub(r'\sid="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r"font: ([^;\"]*?)([\d.]+)px [^;\"]*", r"font: \1\2px var(--sans)", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size is not None
    head = f'<svg viewBox="0 0 {size[1]} {size[2]}" role="img" aria-label="{html.escape(alt)}"'
    svg = re.sub(r"<svg[^>]*", head, svg, count=1)
    return re.sub(r"\n\s*", "\n", svg).strip()


def kernel_map(kernel: Any, alt: str) -> str:
    """Draw a kernel, 1-D or 2-D."""
    taps = np.asarray(kernel)
    if taps.ndim == 1:
        return draw(lambda axes: _stems(axes, taps, -(taps.size // 2)), alt, 3.2, 1.9)

    def make(axes: Axes) -> None:
        plot.kernel(taps, axes, positive=ACCENT, negative=SECOND, text=INK, text_on_strong=PAPER)

    return draw(make, alt, 2.6, 2.6, bare=True)


def stem_plot(values: NDArray[Any], title: str, alt: str, start: int, top: float) -> str:
    """Draw a short sequence under a title."""

    def make(axes: Axes) -> None:
        _stems(axes, values, start)
        axes.set_title(title)
        axes.set_ylim(-0.06 * top, 1.12 * top)
        axes.set_yticks([0, top])

    return draw(make, alt, 3.6, 2.1)


def _stems(axes: Axes, values: NDArray[Any], start: int) -> None:
    axes.xaxis.label.set_color(MUTED)
    plot.stems(values, axes, start=start, colour=ACCENT)


def signal_plot(
    noisy: NDArray[Any], result: NDArray[Any], clean: NDArray[Any], alt: str, width: float
) -> str:
    """Draw a stretch of the signal before and after, over what it was without noise."""

    def make(axes: Axes) -> None:
        plot.lines(
            {
                "noisy": {"y": noisy, "color": MUTED, "linewidth": 0.7, "alpha": 0.55},
                "denoised": {"y": result, "color": ACCENT, "linewidth": 1.8},
                "without noise": {"y": clean, "color": SECOND, "linewidth": 1.1, "linestyle": (0, (4, 3))},
            },
            axes,
        )
        axes.set_xlabel("sample")
        small = width < 5
        axes.legend(
            ncols=3,
            loc="lower right" if small else "lower left",
            bbox_to_anchor=(1, 1) if small else (0, 1),
            fontsize=9.5 if small else None,
            handlelength=1.2,
            handletextpad=0.5,
            borderaxespad=0.2,
            columnspacing=1.0,
        )

    return draw(make, alt, width, 3.0)
