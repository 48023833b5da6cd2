"""The page: one self-contained file, no scripts, nothing fetched. Its prose is in ``page.html``."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

import faltung as fl
from faltung.cli._demo import figures
from faltung.cli._demo.measure import Measured
from faltung.cli._demo.notes import F, G, Line, mirrored_response
from faltung.cli._demo.steps import SIGMA, SIGNAL_SIGMA, Inputs
from faltung.cli._messages import duration

EDGE_SCALE = 0.5
"""Edges are shown at half their size, so that strong ones are not cut."""
TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Content:
    """All that the page shows."""

    inputs: Inputs
    measured: dict[str, Measured]
    notes: list[Line]
    facts: dict[str, Any]
    today: str


def render(content: Content) -> str:
    """Return the page as HTML."""
    folder = files("faltung.cli._demo")
    facts = content.facts
    values = {
        "style": folder.joinpath("page.css").read_text("utf-8"),
        "version": escape(fl.__version__),
        "isa": escape(str(facts["instruction set"])),
        "threads": str(facts["threads"]),
        "today": escape(content.today),
        **{name: escape(str(facts[name])) for name in ("scipy", "numpy", "python")},
    }
    for part in (_head, _fold, _impulse, _blur, _sharpen, _edges, _denoise, _times):
        values.update(part(content))
    return Template(folder.joinpath("page.html").read_text("utf-8")).substitute(values)


def ratio(measured: Measured) -> str:
    """Return SciPy's time over ours, with the digits that mean something."""
    digits = 2 if measured.ratio < 1 else 1 if measured.ratio < 20 else 0
    return f"{measured.ratio:.{digits}f}{TIMES}"


def _head(content: Content) -> dict[str, str]:
    results = content.measured
    sketch = figures.to_pixels(255 - np.minimum(EDGE_SCALE * content.measured["magnitude"].result, 255))
    views = [
        content.inputs.photo,
        figures.to_pixels(results["blur"].result),
        results["sharpen"].result.astype(np.uint8),
        np.repeat(sketch[..., None], 3, axis=2),
    ]
    alt = (
        "A cup of espresso on a red saucer, in four slanted bands: as photographed, blurred, sharpened, and \
reduced to its edges."
    )
    return {
        "hero": _image(figures.bands(views), alt),
        "checked": str(len(results) + len(content.notes) + 1),  # and the mirrored impulse
        "worst": f"{100 * max(item.share_of_bound for item in results.values()):.0f}",
    }


def _fold(content: Content) -> dict[str, str]:
    full, valid, correlated = content.notes
    return {
        "folded": _products("Convolution: <i>g</i> is folded", "<i>g</i>, folded", G[::-1], valid.code),
        "unfolded": _products("Correlation: <i>g</i> as it is", "<i>g</i>", G, correlated.code),
        "full": ", ".join(map(_number, full.answer)),
        "full_code": escape(full.code),
        "valid": _number(valid.answer[0]),
        "correlated": _number(correlated.answer[0]),
    }


def _products(caption: str, label: str, taps: list[float], code: str) -> str:
    """Lay `taps` under f, multiply, add: as a table."""
    products = [a * b for a, b in zip(F, taps, strict=True)]
    rows = [("<i>f</i>", F, "f"), (label, taps, "g"), ("product", products, "product")]
    lines = [f"<caption>{caption}<br><code>{escape(code)}</code></caption>"]
    for name, values, kind in rows:
        cells = "".join(f"<td>{_number(value)}</td>" for value in values)
        lines.append(f'<tr class="{kind}"><th scope="row">{name}</th>{cells}</tr>')
    total = f'<th scope="row">sum</th><td class="sum" colspan="3">{_number(sum(products))}</td>'
    lines.append(f'<tr class="product">{total}</tr>')
    return f'<table class="cells">{"".join(lines)}</table>'


def _impulse(content: Content) -> dict[str, str]:
    item = content.measured["impulse"]
    delta = np.zeros_like(item.result)
    delta[delta.size // 2] = 1
    mirrored = mirrored_response(delta, item.step.kernel)
    plots = [
        (delta, "in: one impulse", "A single sample of height one at index zero."),
        (item.result, "convolve: the kernel", "A steep rise followed by a long tail to the right."),
        (mirrored, "correlate: its mirror image", "The same shape reversed: a long rise, then a drop."),
    ]
    drawn = (figures.stem_plot(values, title, alt, -(delta.size // 2), 1) for values, title, alt in plots)
    return {
        "impulse_call": _call(item),
        "impulse_plots": "".join(f"<figure>{plot}</figure>" for plot in drawn),
        "impulse_plan": _plan(item),
    }


def _blur(content: Content) -> dict[str, str]:
    item = content.measured["blur"]
    side = item.step.kernel.shape[0]
    alt = f"The taps of the Gaussian, {side} by {side}: strongest in the middle, fading evenly outwards."
    blurred = figures.to_pixels(item.result)
    return {
        "sigma": f"{SIGMA:g}",
        "side": str(side),
        "blur_call": _call(item),
        "blur_kernel": _kernel(item, alt),
        "blurred": _image(blurred, "The photograph of the cup, softly blurred.", "The photograph, blurred"),
        "blur_plan": _plan(item),
    }


def _sharpen(content: Content) -> dict[str, str]:
    item = content.measured["sharpen"]
    alt = "Three by three taps: 5 in the middle, minus 1 above, below, left and right, 0 in the corners."
    crop = (slice(150, 310), slice(290, 490))
    before, after = content.inputs.photo[crop], item.result[crop].astype(np.uint8)
    return {
        "sharpen_call": _call(item),
        "sharpen_kernel": _kernel(item, alt),
        "before": _image(before, "The bowl of the spoon, enlarged.", "Before, enlarged"),
        "after": _image(after, "The same part with steeper edges and visible grain.", "After"),
        "sharpen_plan": _plan(item),
    }


def _edges(content: Content) -> dict[str, str]:
    convolved, correlated = content.measured["convolve"], content.measured["correlate"]
    alt = "Three by three taps: 1, 2, 1 in the left column, zeros, then minus 1, minus 2, minus 1."
    total = float(np.abs(convolved.result + correlated.result).max())
    relief, negative = (figures.to_pixels(item.result, EDGE_SCALE, 128) for item in (convolved, correlated))
    magnitude = figures.to_pixels(content.measured["magnitude"].result, EDGE_SCALE)
    return {
        "sum": "exactly zero everywhere" if total == 0 else f"at most {total:.2g} everywhere",
        "edges_call": _call(convolved, correlated),
        "magnitude_call": _call(content.measured["magnitude"]),
        "convolved": _image(
            relief,
            "Edges in relief: where the photograph gets brighter to the right, white; darker, black.",
            "<b>Convolution</b>: a rise in brightness is positive",
        ),
        "correlated_picture": _image(
            negative,
            "The same edges with black and white exchanged.",
            "<b>Correlation</b>: the same rise is negative",
        ),
        "sobel_kernel": _kernel(convolved, alt, ", <code>fl.kernels.sobel(1)</code>"),
        "magnitude": _image(
            magnitude,
            "The outlines of cup, saucer and spoon in white on black.",
            "<b>Magnitude</b>: the strength of every edge",
        ),
        "edges_plan": _plan(convolved, correlated, content.measured["magnitude"]),
    }


def _denoise(content: Content) -> dict[str, str]:
    item, inputs = content.measured["denoise"], content.inputs
    taps = item.step.kernel.shape[0]
    alt = "Beats of a pulse-like signal: a jagged noisy line, and a smooth one close to the true curve."
    plots = []
    for name, shown, width in (("wide", 900, 7.4), ("narrow", 420, 4.0)):
        curves = (inputs.noisy[:shown], item.result[:shown], inputs.clean[:shown])
        plots.append(f'<div class="{name}">{figures.signal_plot(*curves, alt, width)}</div>')
    return {
        "samples": f"{inputs.noisy.size:,}",
        "taps": str(taps),
        "signal_sigma": f"{SIGNAL_SIGMA:g}",
        "rms_before": f"{float(np.sqrt(np.mean((inputs.noisy - inputs.clean) ** 2))):.3f}",
        "rms_after": f"{float(np.sqrt(np.mean((item.result - inputs.clean) ** 2))):.3f}",
        "denoise_call": _call(item),
        "denoise_kernel": _kernel(item, f"A bell curve of {taps} taps."),
        "signal_plots": "".join(plots),
        "denoise_plan": _plan(item),
    }


def _times(content: Content) -> dict[str, str]:
    rows = []
    for item in content.measured.values():
        slowest = max(item.ours, item.theirs)
        bars = "".join(
            f'<div class="bar {kind}"><div class="track">'
            f'<span style="width:{100 * seconds / slowest:.1f}%"></span></div>'
            f'<div class="label"><b>{duration(seconds)}</b> {escape(label)}</div></div>'
            for kind, seconds, label in (("ours", item.ours, "faltung"), ("theirs", item.theirs, item.peer))
        )
        behind = " behind" if item.ratio < 1 else ""
        rows.append(
            f'<li><h3>{escape(item.step.title)}</h3><div class="bars">{bars}</div>'
            f'<div class="ratio{behind}">{ratio(item)}</div></li>'
        )
    slower = [item.step.title.lower() for item in content.measured.values() if item.ratio < 1]
    losses = f" Here SciPy is the faster one for: {'; '.join(slower)}." if slower else ""
    threads = int(content.facts["threads"])
    return {
        "race": "\n".join(rows),
        "losses": losses,
        "threads_here": "one thread" if threads == 1 else f"{threads} threads",
    }


def _image(pixels: Any, alt: str, caption: str = "") -> str:
    height, width = pixels.shape[:2]
    shown = f"<figcaption>{caption}</figcaption>" if caption else ""
    source = figures.picture(pixels)
    return (
        f'<figure><img src="{source}" width="{width}" height="{height}" alt="{escape(alt)}">{shown}</figure>'
    )


def _kernel(item: Measured, alt: str, more: str = "") -> str:
    drawn = figures.kernel_map(item.step.kernel, alt)
    return f'<figure class="kernel">{drawn}<figcaption>The kernel{more}</figcaption></figure>'


def _call(*measured: Measured) -> str:
    lines = "".join(f"<span>{escape(item.step.code)}</span>" for item in measured)
    return f'<code class="call">{lines}</code>'


def _plan(*measured: Measured) -> str:
    plans = "\n\n".join(dict.fromkeys(escape(item.plan.rstrip()) for item in measured))
    title = "The plan, as <code>plan.explain()</code> tells it"
    return f"<details><summary>{title}</summary><pre>{plans}</pre></details>"


def _number(value: float) -> str:
    return f"{value:g}".replace("-", MINUS)
