"""The steps of the demo: what faltung is asked, what SciPy is asked, and the answer to hold both against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

import faltung as fl

Floats = NDArray[np.floating[Any]]
SIGMA = 2.0
SIGNAL_SIGMA = 6.0


@dataclass(frozen=True)
class Step:
    """One operation, with everything that is needed to check and to time it.

    `answer` is computed by SciPy in float64 (in int64 for integers) and `size` is the same sum over absolute
    values, the S of the error promise; None means that the answer must be met exactly.
    """

    key: str
    title: str
    code: str
    kernel: Any
    ours: Callable[[], Any]
    plan: Callable[[], Any]
    peers: dict[str, Callable[[], Any]]
    answer: NDArray[Any]
    size: Floats | None


@dataclass(frozen=True)
class Inputs:
    """What the steps work on."""

    photo: NDArray[np.uint8]
    colour: NDArray[np.float32]
    gray: NDArray[np.float32]
    clean: NDArray[np.float32]
    noisy: NDArray[np.float32]


def make_inputs(photo: NDArray[np.uint8], samples: int = 100_000) -> Inputs:
    """Derive the inputs from a colour photograph and a fixed seed."""
    colour = photo.astype(np.float32)
    gray = colour @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    time = np.arange(samples) / 400
    beat = np.exp(-0.5 * ((time % 1 - 0.3) / 0.03) ** 2) - 0.35 * np.exp(
        -0.5 * ((time % 1 - 0.4) / 0.05) ** 2
    )
    clean = (beat + 0.25 * np.sin(2 * np.pi * time / 1.7)).astype(np.float32)
    noise = np.random.default_rng(1822).normal(0, 0.2, samples).astype(np.float32)
    return Inputs(photo, colour, gray, clean, clean + noise)


def make_steps(inputs: Inputs) -> list[Step]:
    """Return the steps in the order of the page."""
    return [
        _impulse(),
        _blur(inputs.colour),
        _sharpen(inputs.photo),
        _edges(inputs.gray, flip=True),
        _edges(inputs.gray, flip=False),
        _magnitude(inputs.gray),
        _denoise(inputs.noisy),
    ]


def _impulse() -> Step:
    delta = np.zeros(31, np.float32)
    delta[15] = 1
    taps = np.array([0.01, 0.02, 0.04, 0.1, 0.3, 0.75, 1.0, 0.8, 0.6, 0.42, 0.27, 0.15, 0.06], np.float32)
    return Step(
        "impulse",
        "Impulse response",
        'fl.convolve(delta, h, "same")',
        taps,
        lambda: fl.convolve(delta, taps, "same"),
        lambda: fl.plan_convolve(delta.shape, taps, "same", dtype=delta.dtype),
        {"signal.convolve": lambda: signal.convolve(delta, taps, "same", method="direct")},
        signal.convolve(delta.astype(np.float64), taps.astype(np.float64), "same", method="direct"),
        signal.convolve(np.abs(delta), np.abs(taps), "same", method="direct"),
    )


def _blur(photo: NDArray[np.float32]) -> Step:
    kernel = fl.kernels.gaussian(SIGMA)
    taps = np.asarray(kernel)[:, :, None]
    taps_f32 = taps.astype(np.float32)
    options: dict[str, Any] = {"boundary": "reflect", "axes": (0, 1)}
    exact = ndimage.gaussian_filter(photo.astype(np.float64), (SIGMA, SIGMA, 0), mode="mirror")
    return Step(
        "blur",
        "Blur",
        f'fl.convolve(photo, fl.kernels.gaussian({SIGMA:g}), "same", boundary="reflect", axes=(0, 1))',
        kernel,
        lambda: fl.convolve(photo, kernel, "same", **options),
        lambda: fl.plan_convolve(photo.shape, kernel, "same", dtype=photo.dtype, **options),
        {
            "ndimage.gaussian_filter": lambda: ndimage.gaussian_filter(
                photo, (SIGMA, SIGMA, 0), mode="mirror"
            ),
            "ndimage.convolve": lambda: ndimage.convolve(photo, taps_f32, mode="mirror"),
        },
        exact,
        exact,  # photograph and taps are positive, so the sum is its own size
    )


def _sharpen(photo: NDArray[np.uint8]) -> Step:
    kernel = fl.kernels.sharpen()
    taps = np.asarray(kernel).astype(np.int64)[:, :, None]
    options: dict[str, Any] = {"boundary": "reflect", "axes": (0, 1), "overflow": "saturate"}

    def scipy_sharpen() -> NDArray[np.uint8]:
        wide = ndimage.convolve(photo, taps, output=np.int16, mode="mirror")
        whole: NDArray[np.uint8] = np.clip(wide, 0, 255).astype(np.uint8)
        return whole

    exact = ndimage.convolve(photo.astype(np.int64), taps, mode="mirror")
    return Step(
        "sharpen",
        "Sharpen",
        'fl.convolve(photo, fl.kernels.sharpen(), "same", boundary="reflect", axes=(0, 1), '
        'overflow="saturate")',
        kernel,
        lambda: fl.convolve(photo, kernel, "same", **options),
        lambda: fl.plan_convolve(photo.shape, kernel, "same", dtype=photo.dtype, **options),
        {"ndimage.convolve, clip": scipy_sharpen},
        np.clip(exact, 0, 255),
        None,
    )


def _edges(gray: NDArray[np.float32], *, flip: bool) -> Step:
    kernel = fl.kernels.sobel(1)
    taps = np.asarray(kernel)
    name = "convolve" if flip else "correlate"
    operation, plan = getattr(fl, name), getattr(fl, f"plan_{name}")
    reference = ndimage.convolve if flip else ndimage.correlate
    taps_f32 = taps.astype(np.float32)
    peers = {f"ndimage.{name}": lambda: reference(gray, taps_f32, mode="mirror")}
    if flip:
        peers["ndimage.sobel"] = lambda: ndimage.sobel(gray, axis=1, mode="mirror")
    return Step(
        name,
        "Edges, convolution" if flip else "Edges, correlation",
        f'fl.{name}(gray, fl.kernels.sobel(1), "same", boundary="reflect")',
        kernel,
        lambda: operation(gray, kernel, "same", boundary="reflect"),
        lambda: plan(gray.shape, kernel, "same", boundary="reflect", dtype=gray.dtype),
        peers,
        reference(gray.astype(np.float64), taps, mode="mirror"),
        ndimage.convolve(np.abs(gray).astype(np.float64), np.abs(taps), mode="mirror"),
    )


def _magnitude(gray: NDArray[np.float32]) -> Step:
    kernel = fl.kernels.sobel(1)
    exact = gray.astype(np.float64)
    size = sum(
        ndimage.convolve(np.abs(exact), np.abs(np.asarray(fl.kernels.sobel(axis))), mode="mirror")
        for axis in (0, 1)
    )

    def scipy_edges() -> tuple[Any, Any]:
        down, right = (ndimage.sobel(gray, axis=axis, mode="mirror") for axis in (0, 1))
        return np.hypot(down, right), np.arctan2(down, right)

    return Step(
        "magnitude",
        "Edges, both axes",
        'fl.filters.edges(gray, boundary="reflect").magnitude',
        kernel,
        lambda: fl.filters.edges(gray, boundary="reflect").magnitude,
        lambda: fl.plan_convolve(gray.shape, kernel, "same", boundary="reflect", dtype=gray.dtype),
        {"ndimage.sobel, hypot, arctan2": scipy_edges},
        np.hypot(*(ndimage.sobel(exact, axis=axis, mode="mirror") for axis in (0, 1))),
        np.asarray(size),
    )


def _denoise(noisy: NDArray[np.float32]) -> Step:
    kernel = fl.kernels.gaussian(SIGNAL_SIGMA, ndim=1)
    taps = np.asarray(kernel)
    half, taps_f32 = taps.size // 2, taps.astype(np.float32)
    return Step(
        "denoise",
        "Denoise a signal",
        f'fl.convolve(noisy, fl.kernels.gaussian({SIGNAL_SIGMA:g}, ndim=1), "same", boundary="reflect")',
        kernel,
        lambda: fl.convolve(noisy, kernel, "same", boundary="reflect"),
        lambda: fl.plan_convolve(noisy.shape, kernel, "same", boundary="reflect", dtype=noisy.dtype),
        {
            "ndimage.gaussian_filter1d": lambda: ndimage.gaussian_filter1d(
                noisy, SIGNAL_SIGMA, mode="mirror"
            ),
            "signal.oaconvolve, padded": lambda: signal.oaconvolve(
                np.pad(noisy, half, mode="reflect"), taps_f32, "valid"
            ),
        },
        ndimage.convolve1d(noisy.astype(np.float64), taps, mode="mirror"),
        ndimage.convolve1d(np.abs(noisy).astype(np.float64), taps, mode="mirror"),
    )
