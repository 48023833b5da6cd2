"""The picture of docs/checkerboard.md: ``python docs/checkerboard/draw.py [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

import faltung as fl
import faltung.plot

mpl.use("Agg")
from matplotlib import pyplot as plt

STYLE = {
    "font.size": 10, "font.family": "DejaVu Sans", "axes.titlesize": 10.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 130,
}  # fmt: skip
INPUTS = 5


def upsampling(taps: int, rank: int) -> fl.ConvSpec:
    """A transposed convolution that doubles the size of its input: k3s2 or k4s2, padding 1."""
    return fl.ConvSpec(
        input_size=(INPUTS,) * rank, kernel_size=taps, stride=2, padding=1, transposed=True,
        output_size=(2 * INPUTS,) * rank,
    )  # fmt: skip


def draw(folder: Path) -> Path:
    """Both layers, their counts along one axis above those of two."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 2, figsize=(7.6, 5.2), height_ratios=(1, 4), layout="constrained")
        for column, (taps, colour) in enumerate(((3, "#b4432a"), (4, "#1f6f78"))):
            line, plane = upsampling(taps, 1), upsampling(taps, 2)
            fl.plot.contributions(line, axes[0, column], colour=colour)
            fl.plot.contributions(plane, axes[1, column], colour=colour)
            word = "even" if plane.contributions.even else "uneven"
            axes[0, column].set(title=f"{taps} taps, stride 2: {word}", xticks=range(2 * INPUTS))
        axes[0, 0].set_ylabel("contributions")
        path = folder / "counts.png"
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)
    return path


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
