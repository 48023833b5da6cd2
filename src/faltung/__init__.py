"""faltung: convolution and correlation on CPUs, by one definition and with one promise on the error."""

from __future__ import annotations

from . import filters, kernels, nn, weights
from ._array import convolve, correlate
from ._calls import clear_cache
from ._errors import FaltungError
from ._kernel import Kernel
from ._machine import get_num_threads, set_num_threads, show_config
from ._plan import Plan, plan_convolve, plan_correlate
from ._precision import precision, set_precision
from ._spec import ConvSpec

__version__ = "0.1.0"

__all__ = [
    "ConvSpec",
    "FaltungError",
    "Kernel",
    "Plan",
    "__version__",
    "clear_cache",
    "convolve",
    "correlate",
    "filters",
    "get_num_threads",
    "kernels",
    "nn",
    "plan_convolve",
    "plan_correlate",
    "precision",
    "set_num_threads",
    "set_precision",
    "show_config",
    "weights",
]
