"""The pages are a promise: their lines run and print what they show, their targets and links exist."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks(page: Path) -> str:
    """The page with everything but its Python blocks blanked, so that line numbers stay right."""
    kept, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        kept.append(line if inside and not fence else "")
        inside = line == "```python" if fence else inside
    return "\n".join(kept)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_line_prints_what_is_shown(page: Path) -> None:
    text = python_blocks(page)
    test = doctest.DocTestParser().get_doctest(text, {}, name(page), str(page), 0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert not report, "".join(report)


def test_first_screen() -> None:
    """One sentence, the install line, six runnable lines with their output, then the two commands."""
    first = README.read_text(encoding="utf-8").split("\n## ")[0]
    assert len(first.splitlines()) <= 40
    assert len(re.findall(r"^>>> ", first, re.MULTILINE)) == 6
    places = [first.index(word) for word in ("pip install faltung", ">>>", "make demo", "make test")]
    assert places == sorted(places)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_in_the_text_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    shown = re.findall(r"(?:`|^)make ((?:[a-z][a-z-]* ?)+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {word for words in shown for word in words.split()} <= targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_pages_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
