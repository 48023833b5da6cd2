"""`ConvSpec`: sizes against PyTorch and enumeration, every form of padding, every error by its text."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import peer
from faltung import ConvSpec
from faltung._errors import (
    FaltungError,
    FaltungOverflowError,
    FaltungTypeError,
    FaltungValueError,
    MissingExtra,
    with_shapes,
)
from faltung._normalize import normalize_padding, normalize_per_axis


@st.composite
def specs(draw: st.DrawFn, transposed: bool = False) -> ConvSpec:
    rank = draw(st.integers(1, 4))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank)))

    groups = draw(st.integers(1, 3))
    stride, dilation, taps = numbers(1, 4), numbers(1, 3), numbers(1, 4)
    padding = tuple(zip(numbers(0, 3), numbers(0, 3), strict=True))
    span = [d * (k - 1) + 1 for k, d in zip(taps, dilation, strict=True)]
    more = numbers(0, 6)
    if transposed:
        size = tuple(
            1 + extra - -(lo + hi) // s for (lo, hi), s, extra in zip(padding, stride, more, strict=True)
        )
    else:
        size = tuple(
            max(n - lo - hi, 0) + 1 + extra for n, (lo, hi), extra in zip(span, padding, more, strict=True)
        )
    return ConvSpec(
        input_size=size,
        kernel_size=taps,
        in_channels=groups * draw(st.integers(1, 3)),
        out_channels=groups * draw(st.integers(1, 3)),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        transposed=transposed,
        output_padding=tuple(draw(st.integers(0, s - 1)) for s in stride) if transposed else 0,
        flip=draw(st.booleans()),
        bias=draw(st.booleans()),
    )


@given(specs())
def test_adjoint_of_a_convolution(spec: ConvSpec) -> None:
    adjoint = spec.transpose()
    assert adjoint.transposed and adjoint.output_size == spec.input_size
    assert adjoint.input_size == spec.output_size
    assert (adjoint.in_channels, adjoint.out_channels) == (spec.out_channels, spec.in_channels)
    assert adjoint.weight_shape == spec.weight_shape
    assert adjoint.weight_shape_in("channels_last") == spec.weight_shape_in("channels_last")
    assert adjoint.cost().multiplications == spec.cost().multiplications
    assert adjoint.transpose() == replace(spec, bias=False)


@given(specs(transposed=True))
def test_adjoint_of_a_transposed_convolution(spec: ConvSpec) -> None:
    adjoint = spec.transpose()
    assert not adjoint.transposed and adjoint.output_size == spec.input_size
    assert adjoint.input_size == spec.output_size
    assert adjoint.transpose() == replace(spec, bias=False)


@given(specs())
@settings(max_examples=50)
def test_counts_by_enumeration(spec: ConvSpec) -> None:
    taps = prod(spec.kernel_size) * spec.in_channels // spec.groups
    outputs = prod(spec.output_size) * spec.out_channels
    cost = spec.cost(batch=2)
    assert cost.multiplications == 2 * outputs * taps
    assert cost.additions == 2 * outputs * (taps - 1 + spec.bias)
    assert cost.operations == cost.multiplications + cost.additions
    assert cost.input_elements == 2 * prod(spec.input_size) * spec.in_channels
    assert cost.weight_elements == prod(spec.weight_shape)
    assert cost.bias_elements == (spec.out_channels if spec.bias else 0)
    assert cost.output_elements == 2 * outputs
    assert cost.memory == sum(cost[2:])


def test_counts_of_a_transposed_convolution_by_enumeration() -> None:
    spec = ConvSpec(
        input_size=(3, 2),
        in_channels=4,
        out_channels=6,
        kernel_size=(3, 2),
        stride=(2, 3),
        dilation=(1, 2),
        groups=2,
        transposed=True,
        bias=True,
    )
    written: dict[tuple[int, ...], int] = {}
    products = 0
    for i, j, a, b, c_in, c_out in product(*map(range, (3, 2, 3, 2, 4, 6))):
        if c_in // 2 == c_out // 3:
            products += 1
            where = (i * 2 + a, j * 3 + b * 2, c_out)
            written[where] = written.get(where, 0) + 1
    additions = sum(count - 1 for count in written.values())
    cost = spec.cost()
    assert cost.multiplications == products
    assert cost.additions == additions + prod(spec.output_size) * 6


def as_matrix(spec: ConvSpec) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The linear map of a rank-1, one-channel spec with taps 1, 10, 100 ..., from its definition."""
    (n,), (k,), (s,), (d,), ((lo, _),) = (
        spec.input_size,
        spec.kernel_size,
        spec.stride,
        spec.dilation,
        spec.padding,
    )
    matrix = np.zeros((spec.output_size[0], n), dtype=np.int64)
    for h in range(k):
        weight = 10 ** (k - 1 - h if spec.flip else h)
        for i in range(n if spec.transposed else spec.output_size[0]):
            position = i * s + h * d - lo
            if spec.transposed and 0 <= position < spec.output_size[0]:
                matrix[position, i] += weight
            if not spec.transposed and 0 <= position < n:
                matrix[i, position] += weight
    return matrix


@given(specs(), specs(transposed=True))
def test_the_adjoint_is_the_transposed_matrix(forward: ConvSpec, backward: ConvSpec) -> None:
    for spec in (forward, backward):
        line = ConvSpec(
            input_size=spec.input_size[:1],
            kernel_size=spec.kernel_size[:1],
            stride=spec.stride[:1],
            padding=spec.padding[:1],
            dilation=spec.dilation[:1],
            transposed=spec.transposed,
            output_padding=spec.output_padding[:1],
            flip=spec.flip,
        )
        np.testing.assert_array_equal(as_matrix(line.transpose()), as_matrix(line).T)


def test_rank_comes_from_the_sizes_and_ints_are_broadcast() -> None:
    spec = ConvSpec(input_size=9, kernel_size=(3, 2, 1), stride=2, dilation=[1, 2, 3])
    assert spec.rank == 3
    assert spec.input_size == (9, 9, 9)
    assert spec.stride == (2, 2, 2) and spec.dilation == (1, 2, 3)
    assert ConvSpec(input_size=9, kernel_size=3).rank == 1
    assert ConvSpec(input_size=np.array([4, 5]), kernel_size=np.int64(3)).output_size == (2, 3)
    back = ConvSpec(input_size=(4, 5), kernel_size=3, padding=np.array([1, 0]), transposed=True)
    assert back.padding == ((1, 1), (0, 0))
    five = ConvSpec(input_size=(4,) * 5, kernel_size=3, padding="same")
    assert five.output_size == (4,) * 5 and five.weight_shape == (1, 1, 3, 3, 3, 3, 3)


def test_weight_shapes_of_both_layouts() -> None:
    spec = ConvSpec(input_size=(8, 8), kernel_size=(3, 5), in_channels=4, out_channels=6, groups=2)
    assert spec.weight_shape == (6, 2, 3, 5)
    assert spec.weight_shape_in("channels_last") == (3, 5, 2, 6)
    back = replace(spec, transposed=True)
    assert back.weight_shape == (4, 3, 3, 5)
    assert back.weight_shape_in("channels_last") == (3, 5, 3, 4)


@pytest.mark.parametrize(
    ("padding", "pairs"),
    [
        (0, ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ([1, 2], ((1, 1), (2, 2))),
        (((1, 0), (2, 3)), ((1, 0), (2, 3))),
        (np.array([[1, 0], [2, 3]]), ((1, 0), (2, 3))),
        ("valid", ((0, 0), (0, 0))),
        ("same", ((1, 1), (0, 1))),
        ("same_lower", ((1, 1), (1, 0))),
        ("full", ((2, 2), (1, 1))),
    ],
)
def test_every_form_of_padding(padding: Any, pairs: tuple[tuple[int, int], ...]) -> None:
    assert ConvSpec(input_size=(7, 7), kernel_size=(3, 2), padding=padding).padding == pairs


def test_same_depends_on_size_and_stride_as_in_onnx() -> None:
    for size, expected in ((224, (2, 3)), (225, (3, 3))):
        spec = ConvSpec(input_size=size, kernel_size=7, stride=2, padding="same")
        assert spec.padding == (expected,) and spec.output_size == (-(-size // 2),)
    lower = ConvSpec(input_size=224, kernel_size=7, stride=2, padding="same_lower")
    assert lower.padding == ((3, 2),)


def test_causal_is_for_rank_one() -> None:
    spec = ConvSpec(input_size=10, kernel_size=3, dilation=2, padding="causal")
    assert spec.padding == ((4, 0),) and spec.output_size == (10,)


@pytest.mark.parametrize("word", ["valid", "same", "same_lower", "full", "causal"])
@pytest.mark.parametrize("size", [1, 4, 5])
@pytest.mark.parametrize("taps", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("dilation", [1, 2])
def test_transposed_words_are_the_forward_ones_of_the_output(
    word: str, size: int, taps: int, stride: int, dilation: int
) -> None:
    options: dict[str, Any] = {"kernel_size": taps, "stride": stride, "dilation": dilation, "padding": word}
    try:
        spec = ConvSpec(input_size=size, transposed=True, **options)
    except FaltungValueError as error:
        assert "crops all of axis 0" in str(error) and word in ("full", "causal")
        return
    if word in ("same", "same_lower"):
        assert spec.output_size == (size * stride,)
    forward = ConvSpec(input_size=spec.output_size, **options)
    assert forward.padding == spec.padding
    assert forward.output_size == (size,)
    assert forward.transpose() == spec


@pytest.mark.parametrize("padding", [0, 1, "same", ((1, 0),)])
def test_output_size_solves_output_padding(padding: Any) -> None:
    options: dict[str, Any] = {"kernel_size": 3, "stride": 3, "padding": padding}
    for size in range(4, 30):
        forward = ConvSpec(input_size=size, **options)
        back = ConvSpec(input_size=forward.output_size, transposed=True, output_size=size, **options)
        assert back.output_size == (size,)
        assert back == forward.transpose()


def test_output_size_out_of_range_names_the_range() -> None:
    with pytest.raises(FaltungValueError) as caught:
        ConvSpec(input_size=16, kernel_size=3, stride=2, padding=1, transposed=True, output_size=33)
    assert str(caught.value) == (
        "`output_size` (=(33,)) must lie between (31,) and (32,) for `input_size` (=(16,))."
    )


def test_sizes_agree_with_pytorch() -> None:
    torch = peer("torch")
    rng = np.random.default_rng(0)
    for _ in range(60):
        k, s, d = (int(rng.integers(1, 5)) for _ in range(3))
        p = int(rng.integers(0, d * (k - 1) // 2 + 1))
        op = int(rng.integers(0, max(s, d)))
        n = int(rng.integers(k * d, 20))
        x, w = torch.zeros(1, 2, n, n), torch.zeros(2, 2, k, k)
        options: dict[str, Any] = {"kernel_size": k, "stride": s, "padding": p, "dilation": d}
        spec = ConvSpec(input_size=(n, n), in_channels=2, out_channels=2, **options)
        y = torch.nn.functional.conv2d(x, w, stride=s, padding=p, dilation=d)
        assert spec.output_size == tuple(y.shape[2:])
        back = replace(spec, transposed=True, output_padding=(op, op))
        y = torch.nn.functional.conv_transpose2d(
            x, w, stride=s, padding=p, dilation=d, output_padding=(op, op)
        )
        assert back.output_size == tuple(y.shape[2:])


def test_receptive_field_and_overlap() -> None:
    spec = ConvSpec(input_size=(9, 9), kernel_size=(3, 1), dilation=2)
    assert spec.receptive_field == (5, 1) and not spec.overlaps
    back = ConvSpec(input_size=9, kernel_size=4, stride=2, transposed=True)
    assert back.receptive_field == (2,) and back.overlaps
    assert not ConvSpec(input_size=9, kernel_size=2, stride=2, transposed=True).overlaps
    assert not ConvSpec(input_size=9, kernel_size=2, stride=4, dilation=3, transposed=True).overlaps


def test_separable_pair_and_its_cost() -> None:
    spec = ConvSpec(
        input_size=(32, 32), in_channels=16, out_channels=40, kernel_size=3, padding=1, stride=2, bias=True
    )
    depthwise, pointwise = pair = spec.separable()
    assert depthwise.weight_shape == (16, 1, 3, 3) and pointwise.weight_shape == (40, 16, 1, 1)
    assert pointwise.output_size == spec.output_size and pointwise.bias and not depthwise.bias
    spent = depthwise.cost().multiplications + pointwise.cost().multiplications
    assert pair.cost_ratio == Fraction(1, 40) + Fraction(1, 9)
    assert Fraction(spent, spec.cost().multiplications) == pair.cost_ratio


def test_a_spec_is_frozen_hashable_printable_and_pickles() -> None:
    spec = ConvSpec(input_size=(8, 8), kernel_size=3, padding="same", stride=2)
    with pytest.raises(FrozenInstanceError):
        spec.stride = (1, 1)  # type: ignore[misc]
    assert {spec: 1}[pickle.loads(pickle.dumps(spec))] == 1
    assert "padding=((0, 1), (0, 1))" in repr(spec)
    assert replace(spec, padding=((1, 1), (1, 1))).padding == ((1, 1), (1, 1))


FORMS = (
    "an int, one int an axis, one (lo, hi) pair an axis, or one of "
    "'valid', 'same', 'same_lower', 'full', 'causal'."
)
VALUE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"stride": 0}, "`stride` (=0) must be at least 1; pass an int or one int an axis."),
    ({"dilation": (1, -1)}, "`dilation` (=(1, -1)) must be at least 1; pass an int or one int an axis."),
    ({"input_size": (0, 8)}, "`input_size` (=(0, 8)) must be at least 1; pass an int or one int an axis."),
    (
        {"kernel_size": (3,)},
        "`kernel_size` (=(3,)) has 1 entries for 2 axes; pass an int or one int an axis.",
    ),
    ({"input_size": ()}, "`input_size` (=()) must name at least one axis."),
    ({"in_channels": 0}, "`in_channels` (=0) must be at least 1."),
    (
        {"in_channels": 64, "out_channels": 64, "groups": 3},
        "`groups` (=3) must divide `in_channels` (=64); use 1, 2, 4, 8, 16, 32 or 64.",
    ),
    (
        {"in_channels": 5, "out_channels": 4, "groups": 2},
        "`groups` (=2) must divide `in_channels` (=5); use 1.",
    ),
    (
        {"in_channels": 6, "out_channels": 4, "groups": 3},
        "`groups` (=3) must divide `out_channels` (=4); use 1 or 2.",
    ),
    ({"in_channels": 5, "groups": 2}, "`groups` (=2) must divide `in_channels` (=5); use 1 or 5."),
    (
        {"padding": [1, 2, 3, 4]},
        "`padding` (=[1, 2, 3, 4]) lists all starts, then all ends, as ONNX does; "
        "pass one (lo, hi) pair an axis: ((1, 3), (2, 4)).",
    ),
    ({"padding": [1, 2, 3]}, "`padding` (=[1, 2, 3]) has 3 entries for 2 axes; pass " + FORMS),
    (
        {"padding": [(1, 2)]},
        "`padding` (=[(1, 2)]) has 1 pairs for 2 axes; pass one (lo, hi) pair an axis.",
    ),
    ({"padding": -1}, "`padding` (=-1) must not be negative; crop the array before instead."),
    (
        {"padding": ((0, 0), (0, -2))},
        "`padding` (=((0, 0), (0, -2))) must not be negative; crop the array before instead.",
    ),
    ({"padding": "SAME_UPPER"}, "`padding` (='SAME_UPPER') is no word for padding here; write 'same'."),
    ({"padding": "reflect"}, "`padding` (='reflect') is no word for padding here; pass " + FORMS),
    (
        {"padding": "causal"},
        "`padding` (='causal') is for rank 1, this convolution has 2 axes; pass (lo, hi) pairs.",
    ),
    (
        {"kernel_size": 5, "dilation": 2, "padding": ((0, 0), (1, 2))},
        "`kernel_size` (=5) with `dilation` (=2) spans 9 samples, more than the 8 + 0 + 0 of axis 0 with its "
        "padding; use a smaller kernel or more padding.",
    ),
    (
        {"output_padding": 1},
        "`output_padding` (=(1, 1)) is for transposed convolutions; leave it at 0 or pass `transposed=True`.",
    ),
    (
        {"output_size": 9},
        "`output_size` (=(9, 9)) is for transposed convolutions; leave it out or pass `transposed=True`.",
    ),
    (
        {"transposed": True, "stride": 2, "output_padding": (0, 2)},
        "`output_padding` (=(0, 2)) must be less than `stride` (=(2, 2)) or `dilation` (=(1, 1)) "
        "on every axis.",
    ),
    (
        {"transposed": True, "stride": 2, "output_padding": 1, "output_size": 9},
        "`output_size` (=(9, 9)) decides `output_padding` (=(1, 1)); give only one of them.",
    ),
    (
        {"transposed": True, "stride": 2, "output_padding": 1, "padding": "same"},
        "`output_padding` (=(1, 1)) must be (0, 0) with `padding` (='same'), which makes the output size "
        "(16, 16); leave it out, or give the padding as numbers.",
    ),
    (
        {"transposed": True, "padding": 5},
        "`padding` (=((5, 5), (5, 5))) crops all of axis 0, whose output size would be 0; use less padding.",
    ),
]
TYPE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"stride": 1.5}, "`stride` (=1.5) must be an int or one int an axis (2 axes)."),
    ({"stride": True}, "`stride` (=True) must be an int or one int an axis (2 axes)."),
    ({"kernel_size": "3"}, "`kernel_size` (='3') must be an int or one int an axis (2 axes)."),
    ({"dilation": (1, 1.0)}, "`dilation` (=(1, 1.0)) must be an int or one int an axis (2 axes)."),
    ({"groups": 1.0}, "`groups` (=1.0) must be an int."),
    ({"padding": 0.5}, "`padding` (=0.5) must be " + FORMS),
    ({"padding": ((1, 2), (1, 2, 3))}, "`padding` (=((1, 2), (1, 2, 3))) must be " + FORMS),
    ({"padding": ((1, 2), 3)}, "`padding` (=((1, 2), 3)) must be " + FORMS),
]


def build(changes: dict[str, Any]) -> ConvSpec:
    options: dict[str, Any] = {"input_size": (8, 8), "kernel_size": 3, "in_channels": 1, "out_channels": 1}
    if "in_channels" in changes and "out_channels" not in changes:
        options["out_channels"] = changes["in_channels"]
    return ConvSpec(**(options | changes))


@pytest.mark.parametrize(("changes", "message"), VALUE_ERRORS, ids=lambda case: str(case)[:40])
def test_value_errors_by_their_text(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FaltungValueError) as caught:
        build(changes)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, FaltungError)


@pytest.mark.parametrize(("changes", "message"), TYPE_ERRORS, ids=lambda case: str(case)[:40])
def test_type_errors_by_their_text(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FaltungTypeError) as caught:
        build(changes)
    assert str(caught.value) == message
    assert isinstance(caught.value, TypeError) and isinstance(caught.value, FaltungError)


def test_errors_of_methods() -> None:
    spec = ConvSpec(input_size=8, kernel_size=3, in_channels=2, out_channels=2, groups=2)
    with pytest.raises(FaltungValueError) as caught:
        spec.separable()
    assert str(caught.value) == (
        "`separable` needs `transposed` (=False) False and `groups` (=2) 1; "
        "describe the two convolutions yourself."
    )
    with pytest.raises(FaltungValueError) as caught:
        spec.weight_shape_in("NCHW")  # type: ignore[arg-type]
    assert str(caught.value) == "`layout` (='NCHW') must be 'channels_first' or 'channels_last'."
    with pytest.raises(FaltungValueError, match=r"`batch` \(=0\) must be at least 1\."):
        spec.cost(batch=0)


def test_adjoint_of_output_padding_beyond_the_stride() -> None:
    options: dict[str, Any] = {"kernel_size": 3, "dilation": 3, "transposed": True, "output_padding": 2}
    spec = ConvSpec(input_size=5, padding=2, **options)
    back = spec.transpose()
    assert back.padding == ((2, 0),) and back.output_size == (5,)
    np.testing.assert_array_equal(as_matrix(back), as_matrix(spec).T)
    with pytest.raises(FaltungValueError) as caught:
        ConvSpec(input_size=5, padding=1, **options).transpose()
    assert str(caught.value) == (
        "`output_padding` (=(2,)) of at least `stride` (=(1,)) has no adjoint with `padding` (=((1, 1),)); "
        "use less output padding."
    )


def test_normalizers_take_what_numpy_gives() -> None:
    assert normalize_per_axis("axes", np.array([1, 2]), 2, 0) == (1, 2)
    assert normalize_per_axis("axes", (n for n in (1, 2)), 2, 0) == (1, 2)
    assert normalize_padding(np.int32(2), (9,), (3,), (1,), (1,)) == ((2, 2),)
    with pytest.raises(FaltungTypeError):
        normalize_per_axis("axes", np.array(1.5), 1, 0)


def test_error_classes() -> None:
    assert issubclass(FaltungOverflowError, OverflowError) and issubclass(FaltungOverflowError, FaltungError)
    missing = MissingExtra("`faltung filter`", "cli")
    text = "`faltung filter` needs the extra `cli`, which is not installed; run: pip install 'faltung[cli]'"
    assert str(missing) == text and isinstance(missing, ImportError)
    assert str(pickle.loads(pickle.dumps(missing))) == text
    assert with_shapes("No.", a=(3, 4), k=(5,)) == "No. (a: (3, 4), k: (5,))"
    assert with_shapes("No.") == "No."
