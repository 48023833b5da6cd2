"""The command with --memory-limit: the values of the command without it, the bar, Ctrl-C, wrong input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
from cli_tools import Command, fixture_faltung, refused

__all__ = ["fixture_faltung"]
DATA = np.random.default_rng(6).integers(0, 256, (700, 900), dtype=np.uint8)


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        ("float32", ("-k", "gaussian:2", "--boundary", "wrap")),
        ("float64", ("-k", "sobel:x", "--correlate", "--mode", "full")),
        ("float32", ("-k", "edges")),
        ("uint8", ("-k", "box:3", "--mode", "valid")),
        ("uint8", ("-k", "sobel:y", "--abs", "--offset", "3")),
        ("uint8", ("-k", "edges",)),
        ("int16", ("-k", "1 2; 3 4", "--axes", "0,1", "--dtype", "int32")),
        ("uint8", ("-k", "laplacian", "--offset", "128", "--dtype", "float32")),
        ("int64", ("-k", "sharpen",)),
        (">f4", ("-k", "1 2 3", "--axes", "1")),
    ],
    ids=str,
)  # fmt: skip
def test_the_limit_changes_no_value(faltung: Command, dtype: str, words: tuple[str, ...]) -> None:
    np.save("in.npy", DATA.astype(dtype))
    whole = faltung("filter", "in.npy", "-o", "whole.npy", *words)
    parts = faltung("filter", "in.npy", "-o", "parts.npy", "--memory-limit", "3MB", *words)
    assert whole.status == parts.status == 0, parts.err
    one, other = np.load("whole.npy"), np.load("parts.npy")
    assert one.dtype == other.dtype and one.shape == other.shape
    if one.dtype.kind in "iu":
        assert (one != other).mean() < 1e-4, "values halfway between two integers go to either"
        assert abs(one.astype(int) - other.astype(int)).max() <= 1
    else:
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-3)
    assert sorted(os.listdir()) == ["in.npy", "parts.npy", "whole.npy"]
    assert whole.err == parts.err


def test_what_was_cut_is_told_by_the_ends_of_the_type(faltung: Command) -> None:
    np.save("in.npy", DATA)
    run = faltung("filter", "in.npy", "-o", "out.npy", "-k", "sharpen", "--memory-limit", "3MiB")
    low, high = (100 * (np.load("out.npy") == end).mean() for end in (0, 255))
    assert run.status == 0
    assert f"{low:.1f} % of the values are 0 and {high:.1f} % are 255, where uint8 ends" in run.err
    assert not faltung("filter", "in.npy", "-o", "out.npy", "-k", "box:3", "--memory-limit", "3MiB").err


def test_explain_says_the_limit(faltung: Command) -> None:
    np.save("in.npy", DATA)
    run = faltung("filter", "in.npy", "-o", "out.npy", "-k", "box:3", "--memory-limit", "3MB", "--explain")
    assert "memory limit" in run.out and "3,000,000 bytes" in run.out and "direct" in run.out


@pytest.mark.parametrize("size", ["1500000000", "1.5GB", "1.5g", "1500 MB", "1500000kB"])
def test_sizes(faltung: Command, size: str) -> None:
    from faltung.cli._large import parse_size

    assert parse_size(size) == 1_500_000_000
    assert parse_size("3GiB") == parse_size("3072MiB") == 3 << 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("in.npy", "-o", "out.npy", "--memory-limit", "much"), ("`--memory-limit` (='much')", "500MB")),
        (("in.npy", "-o", "out.npy", "--memory-limit", "-1"), ("`--memory-limit` (='-1')",)),
        (("in.npy", "-o", "out.npy", "--memory-limit", "5kB"), ("(=5000) is too small", "at least")),
        (("in.png", "-o", "out.png", "--memory-limit", "1GB"), ("is for .npy files",)),
        (("in.npy", "-o", "out.png", "--memory-limit", "1GB"), ("an array is written as .npy",)),
        (("in.npy", "-o", "out.npy", "--memory-limit", "1GB", "--mode", "valid", "-k", "box:999"),
         ("leaves nothing",)),
        (("int.npy", "-o", "out.npy", "--memory-limit", "1GB", "-k", "edges"), ("more than 64 bits",)),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_input(faltung: Command, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    from PIL import Image

    np.save("in.npy", DATA)
    np.save("int.npy", DATA.astype(np.int64))
    Image.fromarray(DATA).save("in.png")
    before = sorted(os.listdir())
    kernel = () if "-k" in words else ("-k", "box:3")
    refused(faltung("filter", *words, *kernel), *said)
    assert sorted(os.listdir()) == before


def test_the_bar_is_for_terminals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from faltung.cli._large import _bar

    with _bar(2) as told:
        assert told(0) is None
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with _bar(2) as told:
        progress = told(1)
        assert progress is not None
        progress(50, 100)
    progress(100, 100)


def test_ctrl_c_leaves_no_file(tmp_path: Path) -> None:
    """While the library works on it."""
    pytest.importorskip("typer", reason="the command is in the extra [cli]")
    rng = np.random.default_rng(1)
    np.save(tmp_path / "in.npy", rng.standard_normal((3000, 3000)))
    np.save(tmp_path / "k.npy", rng.standard_normal((401, 401)))
    (tmp_path / "out.npy").write_text("old")
    command = [sys.executable, "-m", "faltung", "filter", "in.npy", "-o", "out.npy", "-k", "k.npy"]
    run = subprocess.Popen(
        [*command, "--memory-limit", "10MB"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 30
    while not list(tmp_path.glob(".*.tmp")) and time.monotonic() < end and run.poll() is None:
        time.sleep(0.005)
    time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (130, "faltung: stopped\n")
    assert (tmp_path / "out.npy").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "k.npy", "out.npy"]


def test_a_failing_library_leaves_no_responses(faltung: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("in.npy", DATA)
    convolve, calls = fl.convolve, []

    def failing(*arguments: object, **options: object) -> object:
        calls.append(options)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return convolve(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(fl, "convolve", failing)
    words = ("filter", "in.npy", "-o", "out.npy", "-k", "edges", "--memory-limit", "3MB")
    refused(faltung(*words), "No space left on device")
    assert len(calls) == 2 and os.listdir() == ["in.npy"]
