"""`faltung demo`: the page is whole and alone, its answers are checked, and a wrong answer is loud."""

from __future__ import annotations

import re
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
from cli_tools import Command, Run, fixture_faltung, refused

for package in ("skimage", "matplotlib"):
    pytest.importorskip(package, reason="the demo is in the extra [demo]")
__all__ = ["fixture_faltung"]
SECTIONS = ["fold", "impulse", "blur", "sharpen", "edges", "denoise", "times"]
VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """What the tests ask of a page, and whether its tags are nested as they should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another tag"


@pytest.fixture(scope="module", name="demo")
def fixture_demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str, Path]:
    """Run the demo once, as a process."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("demo")
    start = time.monotonic()
    command = [sys.executable, "-m", "faltung", "demo", "-o", "made/page"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert time.monotonic() - start < 60, "20 s on a quiet machine"
    assert run.returncode == 0, run.stderr
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["index.html"]
    text = (folder / "made/page/index.html").read_text("utf-8")
    return Run(run.returncode, run.stdout, run.stderr), text, folder


def test_the_terminal_shows_a_summary(demo: tuple[Run, str, Path]) -> None:
    run, _, _ = demo
    assert run.err == ""
    for word in ("Impulse", "Blur", "Sharpen", "Edges", "Denoise", "exact", "made/page/index.html"):
        assert word in run.out
    assert len(re.findall(r"\d×", run.out)) == 7


def test_the_page_is_whole(demo: tuple[Run, str, Path]) -> None:
    _, text, _ = demo
    page = Page(text)
    assert page.open == []
    assert page.tags["section"] == len(SECTIONS)
    assert [values["id"] for tag, values in page.attributes if tag == "section"] == SECTIONS
    assert page.tags["h1"] == 1
    assert page.tags["img"] == 7
    assert page.tags["details"] == 5
    assert not re.search(r"\$\w", text), "a placeholder was left"
    assert fl.__version__ in text
    assert "stencil" in text or "direct" in text, "the plans"
    names = [values["id"] for _, values in page.attributes if values.get("id")]
    assert len(names) == len(set(names))


def test_the_page_is_alone(demo: tuple[Run, str, Path]) -> None:
    _, text, _ = demo
    page = Page(text)
    assert page.tags["script"] == page.tags["link"] == page.tags["iframe"] == 0
    assert not re.search(r"https?:|//\w|@import|javascript:", re.sub(r"base64,[\w+/=]+", "", text))
    for _, values in page.attributes:
        for name, value in values.items():
            if name in ("src", "href", "xlink:href"):
                assert value is not None
                assert value.startswith(("data:image/", "#")), value
    assert len(text) < 3_000_000


def test_the_page_can_be_read_by_everyone(demo: tuple[Run, str, Path]) -> None:
    _, text, _ = demo
    page = Page(text)
    assert '<html lang="en">' in text
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text
    for tag, values in page.attributes:
        if tag == "img":
            assert len(values["alt"] or "") > 10
            assert values["width"]
            assert values["height"]
        if tag == "svg":
            assert values["role"] == "img"
            assert len(values["aria-label"] or "") > 10
    plots = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(plots) == 9
    for plot in plots:
        assert "var(--" in plot
        assert not re.search(r"#0\d0\d0\d\b", plot), "a colour that is no variable of the page"


def test_the_worked_example(demo: tuple[Run, str, Path]) -> None:
    _, text, _ = demo
    assert "{0, 1, 2.5, 4, 1.5}" in text
    assert '<td class="sum" colspan="3">2.5</td>' in text
    assert '<td class="sum" colspan="3">3.5</td>' in text


@pytest.mark.parametrize("wrong", [0.01, np.nan])
def test_a_wrong_answer_is_loud(faltung: Command, monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    right = fl.convolve

    def spoiled(a: object, k: object, *args: object, **options: object) -> np.ndarray:
        result = right(a, k, *args, **options)  # type: ignore[arg-type]
        if result.ndim == 2:
            result[3, 5] += wrong
        return result

    monkeypatch.setattr(fl, "convolve", spoiled)
    run = faltung("demo", "-o", "page")
    assert run.status == 1
    assert run.err.startswith("faltung: wrong answer: Edges, convolution: at (3, 5)")
    assert not Path("page").exists()


def test_wrong_integers_are_counted(faltung: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    right = fl.convolve

    def spoiled(a: object, k: object, *args: object, **options: object) -> np.ndarray:
        result = right(a, k, *args, **options)  # type: ignore[arg-type]
        if result.dtype == np.uint8:
            result[:2, 0, 0] ^= 1
        return result

    monkeypatch.setattr(fl, "convolve", spoiled)
    run = faltung("demo")
    assert run.status == 1
    assert "Sharpen: 2 of 720000 integers differ" in run.err


def test_wrong_use(faltung: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    refused(faltung("demo", "-o", "file"), "is a file", "name a folder")
    from faltung.cli import demo

    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    refused(faltung("demo"), 'pip install "faltung[demo]"')
