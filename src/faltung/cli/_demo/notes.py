"""The worked example: f = {1, 2, 3} with g = {0, 1, 0.5}, where forgetting the flip changes the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung.cli._demo.measure import WrongAnswerError

F, G = [1.0, 2.0, 3.0], [0.0, 1.0, 0.5]


@dataclass(frozen=True)
class Line:
    """One call and its answer."""

    code: str
    answer: list[float]


def mirrored_response(delta: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
    """Correlate an impulse with a kernel of odd length, which must mirror what convolution gives."""
    mirrored = np.asarray(fl.correlate(delta, kernel, "same"))
    if not np.array_equal(mirrored, np.asarray(fl.convolve(delta, kernel, "same"))[::-1]):
        raise WrongAnswerError("the correlation of an impulse is not the mirror image of its convolution")
    return mirrored


def worked_example() -> list[Line]:
    """Compute the three lines of the example and hold them against the answers by hand."""
    lines = [
        Line("fl.convolve(f, g)", np.asarray(fl.convolve(F, G)).tolist()),
        Line('fl.convolve(f, g, "valid")', np.asarray(fl.convolve(F, G, "valid")).tolist()),
        Line('fl.correlate(f, g, "valid")', np.asarray(fl.correlate(F, G, "valid")).tolist()),
    ]
    by_hand = [[0, 1, 2.5, 4, 1.5], [2.5], [3.5]]
    for line, expected in zip(lines, by_hand, strict=True):
        if line.answer != expected:
            raise WrongAnswerError(f"{line.code} gives {line.answer} but is {expected}")
    return lines
