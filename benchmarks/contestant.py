"""What a contestant is, and the setting of threads for all of them."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .problem import Array


class Unsupported(Exception):
    """The contestant cannot compute this problem; the text says why."""


def module(name: str) -> Any:
    """Import a package that may be absent, or raise ``Unsupported``."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Unsupported(f"{name.partition('.')[0]} is not installed") from error


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is timed, how its value becomes an array afterwards, and which way was taken if that is known."""

    call: Callable[[], object]
    finish: Callable[[Any], Array] = np.asarray
    way: str = ""


@dataclass(frozen=True, eq=False)
class Contestant:
    """``prepare(problem, threads)`` gives the timed call. ``out`` says that it fills a buffer it is given."""

    name: str
    package: str
    prepare: Callable[..., Prepared]
    out: bool = False


@contextlib.contextmanager
def threads_set(threads: int) -> Iterator[None]:
    """Give every peer that is installed the same number of threads, and torch its inference mode."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(Unsupported):
            torch = module("torch")
            torch.set_num_threads(threads)
            stack.enter_context(torch.inference_mode())
        with contextlib.suppress(Unsupported):
            cv2 = module("cv2")
            cv2.setNumThreads(threads)
        with contextlib.suppress(Unsupported):
            stack.enter_context(module("scipy.fft").set_workers(threads))
        with contextlib.suppress(Unsupported):
            stack.enter_context(module("threadpoolctl").threadpool_limits(threads))
        yield
