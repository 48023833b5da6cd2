"""What `import faltung` loads, and what the installed package carries."""

from __future__ import annotations

import ast
import importlib.resources
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

import faltung as fl
from faltung import _core, _dtype

STUB = Path(__file__).resolve().parent.parent / "src" / "faltung" / "_core.pyi"
# numpy and ml_dtypes are all that a convolution needs.
FORBIDDEN = frozenset(
    "astropy click cv2 dask imageio matplotlib onnx onnxruntime openvino PIL rich scipy skimage starlette "
    "tifffile torch typer uvicorn xarray zarr faltung.cli".split()
)
HEAVY = frozenset("asyncio concurrent email http multiprocessing unittest urllib xml".split())
PUBLIC = frozenset(
    "ConvSpec FaltungError Kernel Plan __version__ clear_cache convolve correlate filters get_num_threads "
    "kernels nn plan_convolve plan_correlate precision set_num_threads set_precision show_config "
    "weights".split()
)


def loaded_after(code: str, environment: dict[str, str]) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    return set(json.loads(run.stdout))


def test_import_loads_no_optional_package(plain_environment: dict[str, str]) -> None:
    assert not loaded_after("import faltung", plain_environment) & FORBIDDEN


def test_a_convolution_loads_no_optional_package(plain_environment: dict[str, str]) -> None:
    code = (
        "import faltung as fl, numpy as np\n"
        "fl.convolve(np.ones((8, 8), np.float32), fl.kernels.gaussian(1), 'same')\n"
        "fl.plan_correlate((9,), [1, 2], 'valid', dtype='float64').explain()\n"
    )
    assert not loaded_after(code, plain_environment) & FORBIDDEN


def test_import_loads_little_of_the_standard_library(plain_environment: dict[str, str]) -> None:
    """The import costs milliseconds as long as it loads few modules beyond numpy's."""
    before = loaded_after("import numpy, ml_dtypes", plain_environment)
    extra = {name.partition(".")[0] for name in loaded_after("import faltung", plain_environment) - before}
    assert not extra & HEAVY


def test_the_package_is_typed() -> None:
    package = importlib.resources.files("faltung")
    assert package.joinpath("py.typed").is_file()
    assert package.joinpath("_core.pyi").is_file()


def interface(definition: str) -> str:
    """Name, kinds of arguments and defaults, without types."""
    (function,) = ast.parse(definition).body
    assert isinstance(function, ast.FunctionDef)
    a = function.args
    for argument in [*a.posonlyargs, *a.args, *a.kwonlyargs]:
        argument.annotation = None
    return f"{function.name}({ast.unparse(a)})"


def compiled_interfaces(scope: object) -> set[str]:
    found = set()
    for value in vars(scope).values():
        for signature, _, defaults in getattr(value, "__nb_signature__", ()):
            for default in defaults or ():
                signature = signature.replace("\\0", repr(default), 1)
            found.add(interface(f"{signature}: ..."))
    return found


def stub_interfaces(body: list[ast.stmt]) -> set[str]:
    return {interface(ast.unparse(node)) for node in body if isinstance(node, ast.FunctionDef)}


def test_the_stub_of_the_extension_has_its_names_and_arguments() -> None:
    stub = ast.parse(STUB.read_text(encoding="utf-8"))
    assert stub_interfaces(stub.body) == compiled_interfaces(_core)
    described = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    classes = {name: value for name, value in vars(_core).items() if isinstance(value, type)}
    assert set(described) - {"Summary", "LayerSummary"} == set(classes)
    for name, compiled in classes.items():
        assert stub_interfaces(described[name].body) == compiled_interfaces(compiled), name


def test_the_stub_names_what_a_summary_holds() -> None:
    axis = (5, 5, 3, 1, 1, 1, 0, 4, 4, 4, 1)
    types = [_dtype.CODES["float32"]] * 3
    how = (0, 1, (), False, False, False)
    plan = _core.Correlation([axis], [], *types, 0, False, False, False, True, 0, bytes(4), 0, *how)
    stub = ast.parse(STUB.read_text(encoding="utf-8"))
    (described,) = [node for node in stub.body if getattr(node, "name", "") == "Summary"]
    assert isinstance(described, ast.ClassDef)
    names = [ast.unparse(node.target) for node in described.body if isinstance(node, ast.AnnAssign)]
    assert names == list(plan.summary())


def test_all_is_the_public_face() -> None:
    assert len(fl.__all__) == len(set(fl.__all__))
    for name in fl.__all__:
        assert getattr(fl, name) is not None
    assert set(fl.__all__) >= PUBLIC


def test_nothing_public_is_left_out_of_all() -> None:
    modules = {name for name, value in vars(fl).items() if isinstance(value, types.ModuleType)}
    public = {name for name in vars(fl) if not name.startswith("_")} - (modules - PUBLIC) - {"annotations"}
    assert public <= set(fl.__all__)


@pytest.mark.parametrize(
    "name", ["convolve", "correlate", "plan_convolve", "plan_correlate", "Plan", "ConvSpec"]
)
def test_public_names_are_documented(name: str) -> None:
    assert len(getattr(fl, name).__doc__) > 200
    assert ">>>" in getattr(fl, name).__doc__


def test_show_config_prints_and_returns_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert fl.show_config() is None
    lines = capsys.readouterr().out.splitlines()
    facts = fl.show_config("dict")
    assert not capsys.readouterr().out
    assert [line[:16].strip() for line in lines] == list(facts)
    assert facts["faltung"] == fl.__version__ and isinstance(facts["features"], list)
    with pytest.raises(fl.FaltungError, match=r"`mode` \(='json'\) must be 'stdout' or 'dict'"):
        fl.show_config("json")  # type: ignore[call-overload]
