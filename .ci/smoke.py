"""Does an installed faltung work? For an environment that holds faltung and its requirements only."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np

import faltung as fl

assert "site-packages" in str(fl.__file__), f"not the installed package: {fl.__file__}"

# The worked example of every textbook, and the same sum without the flip.
assert fl.convolve([1, 2, 3], [0, 1, 0.5]).tolist() == [0, 1, 2.5, 4, 1.5]
assert fl.correlate([1, 2, 3], [0, 1, 0.5], "valid").tolist() == [3.5]

image = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
blurred = fl.convolve(image, fl.kernels.box(3), "same", axes=(0, 1), boundary="reflect", dtype=np.uint8)
assert blurred.shape == image.shape
assert blurred.dtype == np.uint8

# What the wheel must carry beside the code.
package = importlib.resources.files("faltung")
for name in ("py.typed", "_core.pyi"):
    assert package.joinpath(name).is_file(), f"{name} is missing from the wheel"
files = [str(path) for path in importlib.metadata.files("faltung") or ()]
licences = [path for path in files if ".dist-info" in path and "/licenses/" in path]
for word in ("LICENSE", "nanobind", "robin-map"):
    assert any(word in path for path in licences), f"no licence of {word} in the wheel: {licences}"

# Without the extra the command says which one to install.
command = Path(sysconfig.get_path("scripts")) / "faltung"
run = subprocess.run([command, "info"], capture_output=True, text=True, check=False)
assert run.returncode == 2, (run.returncode, run.stderr)
assert "faltung[cli]" in run.stderr, run.stderr
assert "Traceback" not in run.stderr, run.stderr

print(f"smoke: faltung {fl.__version__} works on Python {sys.version.split()[0]}")
