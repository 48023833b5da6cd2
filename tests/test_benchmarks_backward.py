"""The benchmark backwards asks all the same question in both layouts; its answers are those of autograd."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import (
    backward,
    backward_ours,
    backward_peers,
    backward_problem,
    backward_rows,
    layers_contest,
    layers_markdown,
    layers_memory,
    layers_rows,
)
from benchmarks.backward_problem import Task, joined, problem, reference
from benchmarks.backward_rows import CLASSES, ROWS
from benchmarks.backward_shape import Work, transposed, work
from benchmarks.contestant import Contestant, Prepared, Unsupported, module
from benchmarks.layers_ours import NAME
from benchmarks.layers_problem import LAYOUTS
from benchmarks.layers_rows import Row
from benchmarks.layers_shape import shape
from conftest import peer

for name in ("torch", "onnxruntime", "openvino", "cv2"):  # their own deprecations, at import, are not ours
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module(name)
        except Unsupported:
            continue

TINY = {row.shape.tiny(): row for row in ROWS}
"""A row of every distinct work that is left when all are shrunk."""


def test_rows_have_their_own_names_and_a_class() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {row.kind for row in ROWS} == set(CLASSES)
    assert not set(CLASSES) & set(layers_rows.CLASSES)  # `layers_markdown` tells files apart by them


def test_both_gradients_of_whole_networks() -> None:
    uses = Counter(row.network for row in ROWS for _ in range(row.uses))
    assert {word: uses[f"resnet50, gradient of the {word}"] for word in ("input", "weight")} == {
        "input": 53,
        "weight": 53,
    }
    counts = Counter(row.kind.partition("-")[0] for row in ROWS)
    assert counts["input"] == counts["weight"]


def test_a_layer_that_is_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backward_rows, "CHOSEN", (*backward_rows.CHOSEN, "no-such"))
    with pytest.raises(LookupError, match=r"no such layers: \['no-such'\]"):
        backward_rows.gradients(layers_rows.ROWS)


@pytest.mark.parametrize("row", backward_rows.TRANSPOSED, ids=lambda row: row.name)
def test_transposed_sizes(row: Row) -> None:
    """The layer that is transposed has the output that its line names, and the output padding."""
    s = row.shape
    assert isinstance(s, Work)
    sizes = s.text.partition("@")[2].split("x")
    assert s.out == tuple(map(int, sizes * (s.rank if len(sizes) == 1 else 1)))
    assert all(0 <= extra < s.stride for extra in s.output_padding)
    assert max(s.output_padding) == ("o1" in s.text)


def test_a_wrong_line() -> None:
    with pytest.raises(ValueError, match=r"`text` \(='4x4s2 8'\) must look like 't4x4s2p1"):
        transposed("4x4s2 8")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chosen", TINY.values(), ids=lambda chosen: chosen.name)
def test_every_kind_of_work_agrees(chosen: Row, layout: str) -> None:
    """All that take part give the answer; who does not says why."""
    s = chosen.shape.tiny()
    p = problem(s).turned(layout)
    result = layers_contest.measure(chosen, p, reference(p), 1, budget=0.0, quick=True, suite=backward.SUITE)
    mine = result.entry(NAME)
    assert mine is not None
    assert mine.status == "ok"
    assert mine.verdict is not None
    assert mine.verdict.keeps
    wrong = {e.name for e in result.entries if e.status.startswith("wrong")}
    assert wrong <= ({"openvino"} if s.dtype == np.float64 else set())
    for e in result.entries:
        assert e.package != "torch" or e.status in ("ok", "unsupported: torch is not installed")
        if chosen.kind == "transposed" and layout == LAYOUTS[0]:
            assert e.status == "ok" or "not installed" in e.status
        if chosen.kind.startswith(("weight", "block")) and e.package not in ("torch", "faltung"):
            assert e.status == f"unsupported: {backward_peers.NO_OPERATION}"
    assert result.status == "quick" or result.status.startswith("not measured: no torch")


@pytest.mark.parametrize("of", ["input", "weight"])
@pytest.mark.parametrize("text", ["3x3s2g2 6-8@7", "dw5x3d2 3@9x8", "4s3v 2-3@12"])
def test_gradients_are_adjoint(of: str, text: str) -> None:
    """⟨conv(x, w), g⟩ = ⟨x, input gradient⟩ = ⟨w, weight gradient⟩, with the forward reference of layers."""
    p = problem(work(of, shape(text, dtype=np.float64), 2))
    s = p.work
    rng = np.random.default_rng(3)
    free = rng.standard_normal(p.size)
    x, w, g = (free, p.weights[0], p.x) if of == "input" else (p.x, free, p.g)
    y, _ = backward_problem.convolve(x, w, np.zeros(s.cout), s, np.float64)
    assert (reference(p).exact * free).sum() == pytest.approx((y * g).sum(), rel=1e-12)


def test_a_wrong_reference_is_no_reference() -> None:
    for of in ("input", "weight"):
        p = problem(work(of, shape("3x3s2g2 6-8@7")))
        ref = reference(p)
        bad = ref.exact.copy()
        bad[0, -1, -1, -1] *= 1 + 1e-9
        with pytest.raises(ArithmeticError, match=r"at \(.*\), the definition"):
            backward_problem.compare(p, bad, ref.scale)


@pytest.mark.parametrize("text", ["3x3 3-4@6", "3x3s2 3-4@7"])
def test_a_block_is_autograds(text: str) -> None:
    torch = peer("torch")
    p = problem(work("block", shape(text, dtype=np.float64), 2))
    x, w, scale, bias = (torch.tensor(a, requires_grad=True) for a in (p.x, p.weights[0], *p.biases))
    z = torch.nn.functional.conv2d(x, w, None, p.work.stride, p.work.padding)
    y = torch.relu(
        torch.nn.functional.batch_norm(z, None, None, scale, bias, True, 0.1, backward_problem.EPS)
    )
    found = torch.autograd.grad(y, (x, w, scale, bias), torch.from_numpy(p.g))
    exact = reference(p).exact
    answer = joined(p, [y.detach().numpy(), *(part.numpy() for part in found)])
    np.testing.assert_allclose(answer, exact, atol=1e-12, rtol=0)


def test_a_blocks_parts_have_their_shapes() -> None:
    p = problem(work("block", shape("3x3 3-4@6")))
    with pytest.raises(ValueError, match=r"shapes \[\(1,\)\], not \[\(1, 4, 6, 6\)"):
        joined(p, [np.zeros(1)])


def test_a_wrong_contestant_is_never_timed() -> None:
    row = next(row for row in ROWS if row.kind == "weight-dense")
    p = problem(work("weight", shape("3x3 3-6@6")))
    ref = reference(p)
    flipped = ref.exact.astype(np.float32)[:, :, ::-1]
    player = Contestant("flipped", "nobody", lambda p, t, fresh: Prepared(lambda: flipped))
    result = layers_contest.measure(
        row, p, ref, 1, budget=0.0, quick=True, extra=(player,), suite=backward.SUITE
    )
    bad = result.entry("flipped")
    assert bad is not None
    assert bad.times is None
    assert bad.status.startswith("wrong: off by")


@pytest.mark.parametrize(("of", "given"), [("transposed", False), ("input", True)])
def test_models_are_models(of: str, given: bool) -> None:
    onnx = peer("onnx")
    p = problem(work(of, shape("3x3s2g2 6-8@8")))
    onnx.checker.check_model(onnx.load_from_string(backward_peers.model(p, given)))


def test_what_is_not_there_is_unsupported() -> None:
    with pytest.raises(Unsupported, match=r"faltung\.nn has no grad\.conv_nothing"):
        backward_ours.asked("grad", "conv_nothing")


def test_memory_of_a_call() -> None:
    name = "weight-notes-3x3-3-64@32"
    extra = layers_memory.extra_memory("backward", name, LAYOUTS[0], 1)
    assert extra is not None
    row = next(row for row in ROWS if row.name == name)
    assert 0 <= extra <= layers_memory.allowance(problem(row.shape), 1)


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert backward.main(["--list", "--classes", "block"]) == 0
    listed = capsys.readouterr().out
    assert "block-resnet18-3x3-64-64@56-n8" in listed
    assert "dcgan" not in listed
    assert backward.main(["--rows", "no such row"]) == 2
    assert "--list" in capsys.readouterr().err
    target = tmp_path / "r.json"
    pattern = r"^(dcgan.*@4$|(input|weight)-notes|block-.*7$)"
    assert backward.main(["--quick", "--rows", pattern, "--threads", "1", "--json", str(target)]) == 0
    assert "weight-notes-3x3-3-64@32" in capsys.readouterr().out
    content: dict[str, Any] = json.loads(target.read_text())
    assert len(content["rows"]) == 8
    assert {row["kind"] for row in content["rows"]} <= set(CLASSES)
    assert layers_markdown.main([str(target)]) == 0
    assert "### Gradient of the weights, dense" in capsys.readouterr().out


def test_a_task_turns_with_its_numbers() -> None:
    p = problem(work("weight", shape("3x3 3-6@6"), 2))
    q = p.turned(LAYOUTS[1])
    assert isinstance(q, Task)
    assert q.out_shape == (3, 3, 3, 6)
    assert q.g_in.shape == (2, 6, 6, 6)
    np.testing.assert_array_equal(
        q.first(np.moveaxis(reference(p).exact, (0, 1), (-1, -2))), reference(p).exact
    )
