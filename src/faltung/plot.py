"""Pictures of kernels and signals with matplotlib, which is imported where it is first used.

Every function draws into `ax` (by default into a new figure) and returns the Axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from faltung import ConvSpec, FaltungError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["contributions", "kernel", "lines", "stems"]

POSITIVE, NEGATIVE = "#b4432a", "#1f6f78"


def kernel(
    k: ArrayLike,
    ax: Axes | None = None,
    *,
    positive: str = POSITIVE,
    negative: str = NEGATIVE,
    text: str = "black",
    text_on_strong: str = "white",
) -> Axes:
    """Draw the taps of a kernel: stems in one dimension, a map of cells in two.

    A cell is the more opaque the larger its tap; up to 7 taps a side its value is written in it.

    Parameters
    ----------
    k : array_like
        The taps, 1-D or 2-D, real.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    positive, negative : str
        Colours of taps above and below zero.
    text, text_on_strong : str
        Colours of the numbers, on pale and on strong cells.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    FaltungError
        The kernel has neither one nor two dimensions, or matplotlib is not installed.

    Examples
    --------
    >>> import faltung as fl, faltung.plot
    >>> len(fl.plot.kernel(fl.kernels.sobel(1)).patches)
    9
    """
    taps = np.asarray(k, np.float64)
    if taps.ndim == 1:
        return stems(taps, ax, colour=positive)
    if taps.ndim != 2:
        raise FaltungError(f"`k` has {taps.ndim} dimensions but a kernel of 1 or 2 can be drawn")
    ax = ax or _new_axes()
    from matplotlib.patches import Rectangle

    largest = np.abs(taps).max() or 1.0
    rows, columns = taps.shape
    for (row, column), tap in np.ndenumerate(taps):
        opacity = 0.06 + 0.89 * abs(tap) / largest
        colour = negative if tap < 0 else positive
        ax.add_patch(
            Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, color=colour, alpha=opacity, linewidth=0)
        )
        if max(rows, columns) <= 7:
            ax.text(
                column + 0.5,
                row + 0.5,
                f"{tap:g}".replace("-", "\N{MINUS SIGN}"),
                color=text_on_strong if opacity > 0.7 else text,
                ha="center",
                va="center_baseline",
                fontsize=15,
            )
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    ax.set_axis_off()
    return ax


def stems(values: ArrayLike, ax: Axes | None = None, *, start: int = 0, colour: str = POSITIVE) -> Axes:
    """Draw a short sequence as stems.

    Parameters
    ----------
    values : array_like
        1-D, real.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    start : int
        Index of the first value.
    colour : str
        Colour of stems and heads.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import faltung.plot
    >>> len(faltung.plot.stems([0, 1, 0.5]).lines)
    2
    """
    ax = ax or _new_axes()
    heights = np.asarray(values, np.float64)
    index = np.arange(start, start + heights.size)
    crowded = heights.size > 40
    ax.vlines(index, 0, heights, color=colour, linewidth=1.1 if crowded else 2.2)
    ax.plot(index, heights, "o", color=colour, markersize=2.5 if crowded else 5)
    ax.axhline(0, color=ax.xaxis.label.get_color(), linewidth=0.8)
    ax.set_xlim(start - 0.6, start + heights.size - 0.4)
    return ax


def lines(curves: Mapping[str, Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Draw labelled curves over a common index.

    Parameters
    ----------
    curves : mapping
        From label to the arguments of `Axes.plot`, with the values under ``y``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import faltung.plot
    >>> axes = faltung.plot.lines(
    ...     {"noisy": {"y": [1, 3, 2], "color": "gray"}, "mean": {"y": [2, 2, 2]}}
    ... )
    >>> [line.get_label() for line in axes.lines]
    ['noisy', 'mean']
    """
    ax = ax or _new_axes()
    for label, style in curves.items():
        options = dict(style)
        ax.plot(options.pop("y"), label=label, **options)
    ax.margins(x=0)
    return ax


def contributions(
    spec: ConvSpec,
    ax: Axes | None = None,
    *,
    colour: str = POSITIVE,
    text: str = "black",
    text_on_strong: str = "white",
) -> Axes:
    """Draw how many contributions each output of a convolution gets: bars in one dimension, cells in two.

    A cell is the more opaque the more contributions it gets; up to 16 outputs a side their number is written
    in it. Of a transposed convolution with uneven overlap this is the checkerboard.

    Parameters
    ----------
    spec : faltung.ConvSpec
        A convolution of rank 1 or 2, transposed or not.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    colour : str
        Colour of bars and cells.
    text, text_on_strong : str
        Colours of the numbers, on pale and on strong cells.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    FaltungError
        The convolution has more than two axes, or matplotlib is not installed.

    Examples
    --------
    >>> import faltung as fl, faltung.plot
    >>> spec = fl.ConvSpec(input_size=(3, 3), kernel_size=3, stride=2, transposed=True)
    >>> len(fl.plot.contributions(spec).patches)
    49
    """
    if spec.rank > 2:
        raise FaltungError(f"`spec` has {spec.rank} axes but a convolution of 1 or 2 can be drawn")
    counts, most = spec.contributions.counts(), spec.contributions.most
    ax = ax or _new_axes()
    if spec.rank == 1:
        ax.bar(range(counts.size), counts, width=0.94, color=colour)
        ax.set(xlim=(-0.6, counts.size - 0.4), yticks=range(most + 1))
        return ax
    from matplotlib.patches import Rectangle

    rows, columns = counts.shape
    for (row, column), count in np.ndenumerate(counts):
        opacity = 0.05 + 0.9 * count / most
        ax.add_patch(
            Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, color=colour, alpha=opacity, linewidth=0)
        )
        if max(rows, columns) <= 16:
            ink = text_on_strong if opacity > 0.7 else text
            ax.text(column + 0.5, row + 0.5, str(count), color=ink, ha="center", va="center_baseline")
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    ax.set_axis_off()
    return ax


def _new_axes() -> Axes:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise FaltungError('drawing needs matplotlib; run: pip install "faltung[plot]"') from error
    return pyplot.subplots()[1]
