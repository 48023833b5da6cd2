"""The command `faltung`: kernels, options, arrays, information, and every wrong input by its line."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
from cli_tools import Command, Run, fixture_faltung, refused

__all__ = ["fixture_faltung"]
ROOT = Path(__file__).parents[1]
DATA = np.random.default_rng(5).integers(0, 256, (40, 50), dtype=np.uint8)


def filtered(faltung: Command, values: np.ndarray, *options: str, status: int = 0) -> tuple[np.ndarray, Run]:
    """Filter an array through files."""
    np.save("in.npy", values)
    run = faltung("filter", "in.npy", "-o", "out.npy", *options)
    assert run.status == status, run.err
    return np.load("out.npy"), run


# ---- kernels


@pytest.mark.parametrize(
    ("spec", "kernel"),
    [
        ("gaussian:1.5", fl.kernels.gaussian(1.5)),
        ("box:4", fl.kernels.box(4)),
        ("sobel:x", fl.kernels.sobel(1)),
        ("sobel:y", fl.kernels.sobel(0)),
        ("laplacian", fl.kernels.laplacian()),
        ("sharpen", fl.kernels.sharpen()),
        ("Emboss", fl.kernels.emboss()),
        ("0 -1 0; -1 5 -1; 0 -1 0", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        (".5,1e0,-2;", [[0.5, 1.0, -2.0]]),
        ("kernel.npy", np.array([[1.0, 2.5], [-3.0, 4.0], [0.0, 1.0]])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("flag", [(), ("--correlate",)], ids=["convolve", "correlate"])
def test_kernels(faltung: Command, spec: str, kernel: object, flag: tuple[str, ...]) -> None:
    if isinstance(kernel, np.ndarray):
        np.save("kernel.npy", kernel)
    values = DATA.astype(np.float32)
    result, run = filtered(faltung, values, "--kernel", spec, *flag)
    operation = fl.correlate if flag else fl.convolve
    np.testing.assert_array_equal(result, operation(values, kernel, "same", boundary="reflect"))
    assert run.err == ""


def test_edges_are_the_magnitude(faltung: Command) -> None:
    result, _ = filtered(faltung, DATA.astype(np.float64), "-k", "edges")
    expected = fl.filters.edges(DATA.astype(np.float64), boundary="reflect").magnitude
    np.testing.assert_allclose(result, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("spec", "kernel"),
    [
        ("gaussian:2", fl.kernels.gaussian(2, ndim=1)),
        ("box:5", fl.kernels.box(5, ndim=1)),
        ("sobel:x", [1, 0, -1]),
        ("laplacian", [1, -2, 1]),
        ("sharpen", [-1, 3, -1]),
        ("1 2 3", [1, 2, 3]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_kernels_of_one_dimension(faltung: Command, spec: str, kernel: object) -> None:
    values = DATA[0].astype(np.float64)
    result, _ = filtered(faltung, values, "-k", spec)
    np.testing.assert_array_equal(result, fl.convolve(values, kernel, "same", boundary="reflect"))


def test_volumes_and_axes(faltung: Command) -> None:
    volume = np.random.default_rng(1).random((6, 7, 8))
    result, _ = filtered(faltung, volume, "-k", "gaussian:1")
    expected = fl.convolve(volume, fl.kernels.gaussian(1, ndim=3), "same", boundary="reflect")
    np.testing.assert_array_equal(result, expected)
    result, _ = filtered(faltung, volume, "-k", "sobel:x", "--axes", "2,0")
    expected = fl.convolve(volume, fl.kernels.sobel(1), "same", boundary="reflect", axes=(2, 0))
    np.testing.assert_array_equal(result, expected)


# ---- options


@pytest.mark.parametrize("mode", ["same", "full", "valid"])
@pytest.mark.parametrize("boundary", ["constant", "edge", "reflect", "symmetric", "wrap"])
def test_modes_and_boundaries(faltung: Command, mode: str, boundary: str) -> None:
    values = DATA.astype(np.float64)
    result, _ = filtered(faltung, values, "-k", "1 2; 3 4; 5 6", "--mode", mode, "--boundary", boundary)
    expected = fl.convolve(values, [[1, 2], [3, 4], [5, 6]], mode, boundary=boundary)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("mode", ["same", "full", "valid"])
@pytest.mark.parametrize("boundary", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("rows", [3, 7, 12])
def test_blocks_give_what_one_call_gives(
    faltung: Command, monkeypatch: pytest.MonkeyPatch, mode: str, boundary: str, rows: int
) -> None:
    from faltung.cli import _run

    monkeypatch.setattr(_run, "BLOCK_VALUES", 50 * rows)
    values = DATA.astype(np.int32)
    for spec, kernel in (("1 2; 3 4; 5 6", [[1, 2], [3, 4], [5, 6]]), ("7 -1", [[7, -1]])):
        result, _ = filtered(faltung, values, "-k", spec, "--mode", mode, "--boundary", boundary)
        np.testing.assert_array_equal(result, fl.convolve(values, kernel, mode, boundary=boundary))


def test_integers_are_rounded_half_to_even_and_cut(faltung: Command) -> None:
    values = np.array([[1, 2, 3, 5, 255]], np.uint8)
    result, run = filtered(faltung, values, "-k", "0.5")
    assert result.dtype == np.uint8
    assert result.tolist() == [[0, 1, 2, 2, 128]]
    assert run.err == ""
    result, run = filtered(faltung, values, "-k", "100")
    assert result.tolist() == [[100, 200, 255, 255, 255]]
    assert run.err.startswith("faltung: 60.0 % of the values were cut to 0..255 (0 % below, 60.0 % above); ")
    assert "--abs" in run.err
    assert "--offset 128" in run.err
    assert run.err.count("\n") == 1


def test_abs_comes_before_offset(faltung: Command) -> None:
    values = np.array([[0, 9, 0, 0]], np.int16)
    result, _ = filtered(faltung, values, "-k", "1 0 -2", "--abs", "--offset", "100")
    assert result.tolist() == [[109, 100, 118, 100]]
    result, _ = filtered(faltung, values, "-k", "1 0 -2", "--offset", "0.5", "--dtype", "float64")
    assert result.tolist() == [[-8.5, 0.5, -17.5, 0.5]]


def test_64_bit_integers_stay_exact(faltung: Command) -> None:
    values = np.array([2**53 + 1, 2**62 - 1, -(2**61) + 1])
    result, run = filtered(faltung, values, "-k", "1")
    assert result.tolist() == values.tolist()
    result, run = filtered(faltung, values, "-k", "3")
    assert result.tolist() == [3 * (2**53 + 1), 2**63 - 1, 3 * (-(2**61) + 1)]
    assert "33.3 % of the values were cut" in run.err
    assert "(0 % below, 33.3 % above)" in run.err
    huge = np.array([2**64 - 1, 1, 0], np.uint64)
    result, run = filtered(faltung, huge, "-k", "1 0 -1", "--boundary", "constant", "--correlate")
    assert result.tolist() == [0, 2**64 - 1, 1]
    assert "(33.3 % below, 0 % above)" in run.err
    run = faltung("filter", "in.npy", "-o", "no.npy", "-k", "1", "--abs")
    refused(run, "64 bits", "--dtype float64")


def test_dtype_of_the_result(faltung: Command) -> None:
    values = DATA.astype(np.float32)
    result, run = filtered(faltung, values, "-k", "sobel:x", "--dtype", "uint8")
    assert result.dtype == np.uint8
    assert "were cut" in run.err
    response = fl.convolve(values, fl.kernels.sobel(1), "same", boundary="reflect")
    np.testing.assert_array_equal(result, np.clip(response, 0, 255).astype(np.uint8))
    assert filtered(faltung, DATA, "-k", "box:3", "--dtype", "float64")[0].dtype == np.float64
    assert filtered(faltung, DATA.astype(">f4"), "-k", "box:3")[0].dtype == np.float32
    assert filtered(faltung, DATA.astype(bool), "-k", "1")[0].dtype.kind == "i"
    assert filtered(faltung, 1j * DATA, "-k", "box:3")[0].dtype == np.complex128
    assert filtered(faltung, 1j * DATA, "-k", "1", "--abs", "--dtype", "uint8")[0].tolist() == DATA.tolist()


def test_explain_shows_the_plan(faltung: Command) -> None:
    _, run = filtered(faltung, DATA, "-k", "gaussian:1", "--explain", "--workers", "1")
    for word in (
        "40 x 50",
        "gaussian:1",
        "9 x 9 taps",
        "convolution",
        "boundary reflect",
        "direct",
        "promise",
    ):
        assert word in run.out


def test_the_input_may_be_the_output(faltung: Command) -> None:
    np.save("a.npy", DATA)
    assert faltung("filter", "a.npy", "-o", "a.npy", "-k", "box:3").status == 0
    assert not np.array_equal(np.load("a.npy"), DATA)


def test_progress_shows_on_terminals_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filter_module = importlib.import_module("faltung.cli.filter")
    from faltung.cli._run import Block

    parts = [Block(row, row + 1, slice(row, row + 1), 0) for row in range(3)]
    assert list(filter_module._progress(parts)) == parts
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(filter_module._progress(parts)) == parts
    assert list(filter_module._progress(parts[:1])) == parts[:1]


# ---- information


def test_info(faltung: Command) -> None:
    run = faltung("info")
    assert (run.status, run.err) == (0, "")
    for word in (fl.__version__, "instruction set", "threads", np.__version__):
        assert word in run.out
    facts = json.loads(faltung("info", "--json").out)
    assert facts["faltung"] == fl.__version__
    assert facts["instruction_set"] in facts["available"]
    assert facts["threads"] == fl.get_num_threads()
    assert isinstance(facts["features"], list)


def test_help_and_version(faltung: Command) -> None:
    from typer.testing import CliRunner

    from faltung.cli._app import app

    for words in (["--help"], ["filter", "--help"], ["info", "-h"], ["demo", "--help"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0
        assert "Usage: faltung" in result.output
    assert faltung("--version").out == f"faltung {fl.__version__}\n"
    assert faltung().status == 2


# ---- wrong input


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.npy", "-o", "o.npy", "-k", "box:3"], ["missing.npy", "No such file"]),
        (["folder", "-o", "o.npy", "-k", "box:3"], ["folder", "is a folder"]),
        (["pickled.npy", "-o", "o.npy", "-k", "box:3"], ["pickled.npy", "never unpickles"]),
        (["raw.npy", "-o", "o.npy", "-k", "box:3"], ["raw.npy", "never unpickles"]),
        (["short.npy", "-o", "o.npy", "-k", "box:3"], ["short.npy", "broken"]),
        (["words.npy", "-o", "o.npy", "-k", "box:3"], ["words.npy", "not numbers"]),
        (["empty.npy", "-o", "o.npy", "-k", "1"], ["empty"]),
        (["point.npy", "-o", "o.npy", "-k", "1"], ["single number"]),
        (["a.npy", "-o", "o.npy", "-k", "gausian:2"], ["gaussian:SIGMA", "box:SIZE", "mean gaussian?"]),
        (["a.npy", "-o", "o.npy", "-k", ""], ["`--kernel` (='')"]),
        (["a.npy", "-o", "o.npy", "-k", "1 2; 3"], ["rows of 2, 1 taps"]),
        (["a.npy", "-o", "o.npy", "-k", "nan 1"], ["must be gaussian:SIGMA"]),
        (["a.npy", "-o", "o.npy", "-k", "gaussian"], ["gaussian:SIGMA"]),
        (["a.npy", "-o", "o.npy", "-k", "gaussian:-1"], ["above 0"]),
        (["a.npy", "-o", "o.npy", "-k", "gaussian:inf"], ["above 0"]),
        (["a.npy", "-o", "o.npy", "-k", "box:2.5"], ["whole number"]),
        (["a.npy", "-o", "o.npy", "-k", "sobel:z"], ["sobel:x or sobel:y"]),
        (["a.npy", "-o", "o.npy", "-k", "sharpen:2"], ["must be written sharpen"]),
        (["line.npy", "-o", "o.npy", "-k", "sobel:y"], ["sobel:x"]),
        (["line.npy", "-o", "o.npy", "-k", "emboss"], ["2 axes", "1"]),
        (["a.npy", "-o", "o.npy", "-k", "none.npy"], ["none.npy", "No such file"]),
        (["a.npy", "-o", "o.npy", "-k", "nan.npy"], ["NaN"]),
        (["a.npy", "-o", "o.npy", "-k", "line.npy"], ["1 axes", "2"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--boundary", "mirror"], ["boundary", "mirror", "reflect"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--mode", "sam"], ["--mode", "mean same?"]),
        (["a.npy", "-o", "o.npy", "-k", "box:90", "--mode", "valid"], ["leaves nothing", "--mode same"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--offset", "nan"], ["--offset", "finite"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--workers", "0"], ["--workers"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--dtype", "flaot32"], ["--dtype", "mean float32?"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--axes", "0,5"], ["--axes", "0 to 1"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--axes", "0,0"], ["--axes", "twice"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--axes", "x"], ["--axes", "0,1"]),
        (["complex.npy", "-o", "o.npy", "-k", "1", "--dtype", "float32"], ["complex", "--abs"]),
        (["inf.npy", "-o", "o.npy", "-k", "1", "--dtype", "uint8"], ["NaN or infinity"]),
        (["a.npy", "-o", "folder", "-k", "1"], ["folder", "name a file"]),
        (["a.npy", "-o", "nowhere/o.npy", "-k", "1"], ["nowhere", "does not exist"]),
        (["a.npy", "-o", "o.png", "-k", "1"], [".npy"]),
        (["a.npy", "-o", "o", "-k", "1"], ["no suffix"]),
        (["a.npy", "-o", "o.npy"], ["--kernel"]),
        (["a.npy", "-o", "o.npy", "-k", "1", "--corelate"], ["--corelate", "--correlate"]),
    ],
    ids=lambda value: " ".join(value) if len(value) > 2 and value[1] == "-o" else "",
)
def test_wrong_input(faltung: Command, words: list[str], said: list[str]) -> None:
    Path("folder").mkdir()
    np.save("a.npy", DATA)
    np.save("line.npy", DATA[0])
    np.save("nan.npy", np.full((3, 3), np.nan))
    np.save("inf.npy", np.full((3, 3), np.inf))
    np.save("complex.npy", 1j * DATA)
    np.save("words.npy", np.array(["a", "b"]))
    np.save("empty.npy", np.zeros((0, 3)))
    np.save("point.npy", np.float32(3))
    np.save("pickled.npy", np.array([{}], object), allow_pickle=True)
    Path("raw.npy").write_bytes(pickle.dumps([1, 2, 3]))
    Path("short.npy").write_bytes(Path("a.npy").read_bytes()[:-7])
    before = sorted(path.name for path in Path().iterdir())
    refused(faltung("filter", *words), *said)
    assert sorted(path.name for path in Path().iterdir()) == before


def test_wrong_command(faltung: Command) -> None:
    refused(faltung("fliter"), "fliter", "filter")
    refused(faltung("info", "--jsno"), "--jsno")


# ---- writing is all or nothing


def test_a_failing_write_leaves_the_old_file(faltung: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("in.npy", DATA)
    Path("out.npy").write_text("old")

    def full_disk(file: object, *_: object, **__: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    refused(faltung("filter", "in.npy", "-o", "out.npy", "-k", "1"), "No space left on device")
    assert Path("out.npy").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["in.npy", "out.npy"]


@pytest.mark.skipif(os.name == "nt", reason="links and permissions are POSIX's")
def test_links_and_permissions_are_kept(faltung: Command) -> None:
    np.save("in.npy", DATA)
    Path("real.npy").write_text("old")
    Path("real.npy").chmod(0o640)
    Path("link.npy").symlink_to("real.npy")
    assert faltung("filter", "in.npy", "-o", "link.npy", "-k", "1").status == 0
    assert Path("link.npy").is_symlink()
    assert Path("real.npy").stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(np.load("real.npy"), DATA)


# ---- as a process


def process(*words: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    start = ["-m", "faltung"] if code is None else ["-c", code]
    return subprocess.run([sys.executable, *start, *words], capture_output=True, text=True, check=False)


def test_python_m_faltung(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", DATA)
    run = process("filter", str(tmp_path / "a.npy"), "-o", str(tmp_path / "b.npy"), "-k", "box:3")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert (tmp_path / "b.npy").exists()
    run = process("filter", str(tmp_path / "none.npy"), "-o", str(tmp_path / "b.npy"), "-k", "box:3")
    refused(Run(run.returncode, run.stdout, run.stderr), "none.npy")


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_a_missing_extra_is_named(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None; from faltung.cli import main; sys.exit(main(['info']))"
    )
    run = process(code=code)
    refused(Run(run.returncode, run.stdout, run.stderr), package, 'pip install "faltung[cli]"')


def test_pictures_without_pillow_are_refused() -> None:
    words = "['filter', 'a.png', '-o', 'b.png', '-k', 'box:3']"
    code = f"import sys; sys.modules['PIL'] = None; from faltung.cli import main; sys.exit(main({words}))"
    run = process(code=code)
    refused(Run(run.returncode, run.stdout, run.stderr), "PIL", 'pip install "faltung[cli]"')
