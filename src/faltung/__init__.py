"""faltung: convolution and correlation on CPUs, by one definition and with one promise on the error."""

from __future__ import annotations

from . import filters as filters, kernels as kernels
from ._array import (
    clear_cache as clear_cache,
    convolve as convolve,
    correlate as correlate,
    plan_convolve as plan_convolve,
    plan_correlate as plan_correlate,
)
from ._errors import FaltungError as FaltungError
from ._kernel import Kernel as Kernel
from ._machine import (
    get_num_threads as get_num_threads,
    set_num_threads as set_num_threads,
    show_config as show_config,
)
from ._plan import Plan as Plan
from ._precision import precision as precision, set_precision as set_precision
from ._spec import ConvSpec as ConvSpec

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
    "plan_convolve",
    "plan_correlate",
    "precision",
    "set_num_threads",
    "set_precision",
    "show_config",
]
