"""Every error of the array API by its text: the argument in backticks, its value, the rule, the fix.

A case is a call, the built-in exception that it also is, and what the message must say. Nothing is written
before an error; the messages of ``out`` are tested with its memory, those of overflow with integers.
"""

from __future__ import annotations

import inspect

import ml_dtypes
import numpy as np
import pytest

import faltung as fl

ROW, IMAGE, COLOUR = np.arange(5.0), np.ones((4, 6)), np.ones((4, 6, 3))
INTS, BYTES = np.arange(5), np.arange(5, dtype=np.uint8)


def ones(*shape):
    return np.ones(shape)


def refused(kind, words, call, *arguments, **options):
    """The call raises ``kind``, as a FaltungError, with every word in its message."""
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert isinstance(caught.value, fl.FaltungError), f"{type(caught.value).__name__}: {message}"
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"
    assert message[0] in "`'" or message[0].isupper(), message


def cases(**rows):
    """Parametrize a test with named (arguments, options, exception, words)."""
    return pytest.mark.parametrize(
        ("arguments", "options", "kind", "words"), list(rows.values()), ids=list(rows)
    )


BOTH = pytest.mark.parametrize("call", [fl.convolve, fl.correlate])


# ---- words


@BOTH
@pytest.mark.parametrize(
    ("name", "wrong", "offers"),
    [
        ("mode", "some", ["'full'", "'same'", "'valid'"]),
        ("mode", "FULL", ["'full'"]),
        ("boundary", "cyclic", ["'constant'", "'edge'", "'reflect'", "'symmetric'", "'wrap'"]),
        ("method", "magic", ["'auto'", "'direct'", "'reference'"]),
        ("precision", "low", ["'highest'", "'high'", "'medium'"]),
        ("overflow", "ignore", ["'raise'", "'wrap'", "'saturate'"]),
        ("nan_policy", "drop", ["'propagate'", "'raise'"]),
    ],
)
def test_an_unknown_word_names_the_words_there_are(call, name, wrong, offers):
    refused(ValueError, [f"`{name}` (={wrong!r})", *offers], call, ROW, ones(3), **{name: wrong})


@BOTH
@pytest.mark.parametrize("name", ["mode", "boundary", "method", "overflow", "nan_policy"])
@pytest.mark.parametrize("wrong", [None, 1, ["edge", 2]], ids=str)
def test_what_is_not_a_word_is_refused_by_name(call, name, wrong):
    refused((TypeError, ValueError), [f"`{name}`"], call, ROW, ones(3), **{name: wrong})


FOREIGN = {
    "mirror": "reflect",  # scipy.ndimage
    "nearest": "edge",
    "grid-mirror": "symmetric",
    "grid-wrap": "wrap",
    "grid-constant": "constant",
    "replicate": "edge",  # OpenCV, PyTorch
    "reflect_101": "reflect",
    "reflect101": "reflect",
    "circular": "wrap",
    "zeros": "constant",
}


@pytest.mark.parametrize(("theirs", "ours"), FOREIGN.items())
def test_words_of_other_libraries_name_ours(theirs, ours):
    for spelled in (theirs, theirs.upper()):
        refused(
            ValueError,
            [f"`boundary` (={spelled!r})", f"'{ours}'"],
            fl.convolve,
            ROW,
            ones(3),
            boundary=spelled,
        )
    pair = ("edge", theirs)
    refused(
        ValueError, ["`boundary`", repr(theirs), f"'{ours}'"], fl.convolve, IMAGE, ones(3, 3), boundary=pair
    )


# ---- axes and shapes


@BOTH
@cases(
    colour=((COLOUR, ones(3, 3)), {}, ValueError, ["`k`", "axes=(0, 1)", "a: (4, 6, 3)", "k: (3, 3)"]),
    rows=((IMAGE, ones(3)), {}, ValueError, ["`k`", "axes=", "a: (4, 6)", "k: (3,)"]),
    deep=((ROW, ones(3, 3)), {}, ValueError, ["`k`", "a: (5,)", "k: (3, 3)"]),
    neither=((ones(4, 4, 4, 4), ones(3, 3)), {"axes": (0, 1, 2)}, ValueError, ["`k`", "2", "3", "4"]),
    empty=((IMAGE, ones(3)), {"axes": ()}, ValueError, ["`axes` (=())"]),
    twice=((IMAGE, ones(3, 3)), {"axes": (0, 0)}, ValueError, ["`axes` (=(0, 0))"]),
    twice_by_sign=((IMAGE, ones(3, 3)), {"axes": (1, -1)}, ValueError, ["`axes` (=(1, -1))"]),
    beyond=((IMAGE, ones(3)), {"axes": 2}, ValueError, ["`axes` (=2)", "-2", "1"]),
    below=((IMAGE, ones(3)), {"axes": (-3,)}, ValueError, ["`axes`", "-3", "-2"]),
    a_float=((IMAGE, ones(3)), {"axes": 1.0}, TypeError, ["`axes` (=1.0)"]),
    a_word=((IMAGE, ones(3)), {"axes": "x"}, TypeError, ["`axes` (='x')"]),
    of_a_scalar=((3.0, 4.0), {"axes": 0}, ValueError, ["`axes` (=0)"]),
    batch=((ones(3, 5), ones(2, 3)), {"axes": 1}, ValueError, ["`k`", "a: (3, 5)", "k: (2, 3)"]),
)
def test_axes(call, arguments, options, kind, words):
    refused(kind, words, call, *arguments, **options)


@BOTH
@cases(
    larger=((ones(3), ones(5)), {}, ValueError, ["`k`", "5", "3", "swap"]),
    one_axis=((IMAGE, ones(3, 7)), {}, ValueError, ["`k`", "7", "6", "a: (4, 6)", "k: (3, 7)"]),
    dilated=((ROW, ones(3)), {"dilation": 3}, ValueError, ["`k`", "dilation", "7", "5"]),
)
def test_valid_needs_a_kernel_that_fits(call, arguments, options, kind, words):
    refused(kind, words, call, *arguments, mode="valid", **options)


@BOTH
@cases(
    array=((ones(0), ones(3)), {}, ValueError, ["`a`", "(0,)"]),
    list=(([], [1]), {}, ValueError, ["`a`", "(0,)"]),
    kernel=((ROW, ones(0)), {}, ValueError, ["`k`", "(0,)"]),
    axis=((ones(4, 0), ones(3, 3)), {}, ValueError, ["`a`", "(4, 0)"]),
    taps=((IMAGE, ones(3, 0)), {}, ValueError, ["`k`", "(3, 0)"]),
    batch=((ones(0, 0), ones(3)), {"axes": 1}, ValueError, ["`a`", "(0, 0)"]),
)
def test_an_empty_convolved_axis(call, arguments, options, kind, words):
    refused(kind, words, call, *arguments, **options)


# ---- numbers per axis


@BOTH
@pytest.mark.parametrize("name", ["stride", "dilation"])
def test_steps(call, name):
    for wrong in (0, -1, (1, 0), [2, -3]):
        refused(ValueError, [f"`{name}` (={wrong!r})", "1"], call, IMAGE, ones(3, 3), **{name: wrong})
    for wrong in (1.0, "2", None, True, (1, 2.5), np.float64(2)):
        refused(TypeError, [f"`{name}`"], call, IMAGE, ones(3, 3), **{name: wrong})
    for wrong in ((1,), (1, 1, 1), ()):
        refused(ValueError, [f"`{name}` (={wrong!r})", "2"], call, IMAGE, ones(3, 3), **{name: wrong})
    assert call(IMAGE, ones(3, 3), **{name: np.int64(2)}).shape  # any integer will do


@BOTH
@cases(
    full=((ROW, ones(3), "full"), {"anchor": 1}, ValueError, ["`anchor` (=1)", "'same'", "'full'"]),
    valid=((ROW, ones(3), "valid"), {"anchor": 1}, ValueError, ["`anchor` (=1)", "'same'", "'valid'"]),
    high=((ROW, ones(3), "same"), {"anchor": 3}, ValueError, ["`anchor` (=3)", "3"]),
    negative=((ROW, ones(3), "same"), {"anchor": -1}, ValueError, ["`anchor` (=-1)", "0"]),
    second=((IMAGE, ones(3, 2), "same"), {"anchor": (2, 2)}, ValueError, ["`anchor` (=(2, 2))"]),
    few=((IMAGE, ones(3, 3), "same"), {"anchor": (1,)}, ValueError, ["`anchor` (=(1,))", "2"]),
    a_float=((ROW, ones(3), "same"), {"anchor": 1.0}, TypeError, ["`anchor` (=1.0)"]),
    a_word=((ROW, ones(3), "same"), {"anchor": "left"}, TypeError, ["`anchor` (='left')"]),
)
def test_anchor(call, arguments, options, kind, words):
    refused(kind, words, call, *arguments, **options)


@BOTH
@pytest.mark.parametrize("name", ["stride", "dilation"])
def test_steps_beyond_64_bits(call, name):
    # They still mean something (one output, one tap inside the array), or are refused in our words.
    try:
        got = call(ROW, ones(3), "same", **{name: 2**70})
    except fl.FaltungError as error:
        assert f"`{name}`" in str(error)
    else:
        assert np.array_equal(got, ROW if name == "dilation" else call(ROW, ones(3), "same")[:1])


@BOTH
def test_one_boundary_or_one_per_axis(call):
    for wrong in (("edge",), ("edge", "wrap", "edge"), ()):
        refused(ValueError, ["`boundary`", "2"], call, IMAGE, ones(3, 3), boundary=wrong)


@BOTH
def test_workers(call):
    for wrong in (0, -2, -100):  # -1 means all
        refused(ValueError, [f"`workers` (={wrong})", "1"], call, ROW, ones(3), workers=wrong)
    assert call(ROW, ones(3), workers=-1).shape
    for wrong in (1.5, "all", True):
        refused(TypeError, [f"`workers` (={wrong!r})"], call, ROW, ones(3), workers=wrong)


# ---- values


@BOTH
@cases(
    nan=((INTS, INTS), {"fill_value": np.nan}, ValueError, ["`fill_value` (=nan)", "int64"]),
    inf=((INTS, INTS), {"fill_value": -np.inf}, ValueError, ["`fill_value` (=-inf)", "int64"]),
    fraction=((BYTES, BYTES), {"fill_value": 0.5}, ValueError, ["`fill_value` (=0.5)", "uint8"]),
    large=((BYTES, [1, 2]), {"fill_value": 256}, ValueError, ["`fill_value` (=256)", "uint8"]),
    negative=((BYTES, [1, 2]), {"fill_value": -1}, ValueError, ["`fill_value` (=-1)", "uint8"]),
    bits=((ROW > 2, ROW > 2), {"fill_value": 2}, ValueError, ["`fill_value` (=2)", "bool"]),
    past_float32=((ROW.astype("f4"), [1.0]), {"fill_value": 1e300}, ValueError, ["`fill_value`", "float32"]),
    past_float16=((ROW.astype("f2"), [1.0]), {"fill_value": 1e6}, ValueError, ["`fill_value`", "float16"]),
    past_floats=((ROW, [1.0]), {"fill_value": 10**400}, ValueError, ["`fill_value`", "float64"]),
    huge=((INTS, INTS), {"fill_value": 2**63}, ValueError, ["`fill_value`", "int64"]),
    imaginary=((ROW, ROW), {"fill_value": 1j}, (TypeError, ValueError), ["`fill_value` (=1j)", "float64"]),
    word=((ROW, ROW), {"fill_value": "0"}, TypeError, ["`fill_value` (='0')"]),
    nothing=((ROW, ROW), {"fill_value": None}, TypeError, ["`fill_value` (=None)"]),
    several=((ROW, ROW), {"fill_value": [1, 2]}, TypeError, ["`fill_value`"]),
)
def test_fill_value(call, arguments, options, kind, words):
    refused(kind, words, call, *arguments, **options)


@BOTH
def test_a_fill_that_is_not_used_is_checked_all_the_same(call):
    refused(ValueError, ["`fill_value` (=nan)"], call, INTS, INTS, boundary="wrap", fill_value=np.nan)


@BOTH
def test_nan_policy_raise(call):
    bad = np.array([1.0, np.nan, 3.0])
    refused(ValueError, ["`nan_policy`", "NaN", "`a`"], call, bad, ones(2), nan_policy="raise")
    refused(ValueError, ["`nan_policy`", "NaN", "`k`"], call, ones(5), bad, nan_policy="raise")
    refused(ValueError, ["NaN", "`a`"], call, bad.astype(np.float16), [1.0], nan_policy="raise")
    refused(ValueError, ["NaN", "`a`"], call, bad * 1j, [1.0], nan_policy="raise")
    assert np.isinf(call(np.array([1.0, np.inf]), [1.0], nan_policy="raise")[1])
    assert call(INTS, [1], nan_policy="raise").dtype == np.int64


# ---- data types


@BOTH
@cases(
    long=((ROW.astype(np.longdouble), ROW), {}, TypeError, ["`a`", str(np.dtype(np.longdouble))]),
    long_kernel=((ROW, ROW.astype(np.clongdouble)), {}, TypeError, ["`k`", str(np.dtype(np.clongdouble))]),
    objects=((ROW.astype(object), ROW), {}, TypeError, ["`a`", "object"]),
    mixed_list=((ROW, [1, None]), {}, TypeError, ["`k`", "object"]),
    huge_list=((ROW, [10**30]), {}, TypeError, ["`k`"]),
    text=((np.array(["a", "b"]), ROW), {}, TypeError, ["`a`", "<U1"]),
    a_word=(("abc", ROW), {}, TypeError, ["`a`"]),
    dates=((np.array(["2026-01-01"], "M8[D]"), ROW), {}, TypeError, ["`a`", "datetime64"]),
    spans=((ROW, np.array([1], "m8[s]")), {}, TypeError, ["`k`", "timedelta64"]),
    records=((np.zeros(3, "i4,f4"), ROW), {}, TypeError, ["`a`"]),
    small_float=((ROW.astype(ml_dtypes.float8_e4m3fn), ROW), {}, TypeError, ["`a`", "float8_e4m3fn"]),
    nothing=((None, ROW), {}, TypeError, ["`a`"]),
    a_set=((ROW, {1, 2}), {}, TypeError, ["`k`"]),
    unsigned=((BYTES.astype("u8"), INTS), {}, TypeError, ["uint64", "int64", "`dtype="]),
    unsigned_kernel=((INTS.astype("i1"), BYTES.astype("u8")), {}, TypeError, ["uint64", "int8", "`dtype="]),
    halves=(
        (ROW.astype("f2"), ROW.astype(ml_dtypes.bfloat16)),
        {},
        TypeError,
        ["bfloat16", "float16", "`dtype="],
    ),
    bf_int=((ROW.astype(ml_dtypes.bfloat16), INTS), {}, TypeError, ["bfloat16", "int64", "`dtype="]),
)
def test_operands_of_a_dtype_that_cannot_be(call, arguments, options, kind, words):
    refused(kind, words, call, *arguments, **options)


@BOTH
@pytest.mark.parametrize("ragged", [[[1, 2], [3]], [[1], 2]], ids=str)
def test_ragged_lists(call, ragged):
    refused((TypeError, ValueError), ["`a`"], call, ragged, [[1]])
    refused((TypeError, ValueError), ["`k`"], call, [[1]], ragged)


@BOTH
@cases(
    no_dtype=((ROW, ROW), {"dtype": "number"}, TypeError, ["`dtype`", "'number'"]),
    a_number=((ROW, ROW), {"dtype": 8}, TypeError, ["`dtype`", "8"]),
    long=((ROW, ROW), {"dtype": np.longdouble}, TypeError, ["`dtype`"]),
    objects=((ROW, ROW), {"dtype": object}, TypeError, ["`dtype`", "object"]),
    text=((ROW, ROW), {"dtype": str}, TypeError, ["`dtype`"]),
    real=((ROW * 1j, ROW), {"dtype": float}, TypeError, ["`dtype`", "float64", "complex"]),
    whole=((ROW, [1j]), {"dtype": int}, TypeError, ["`dtype`", "int64", "complex"]),
)
def test_dtype(call, arguments, options, kind, words):
    refused(kind, words, call, *arguments, **options)


# ---- the shape of the interface


def test_options_are_keyword_only():
    for function in (fl.convolve, fl.correlate):
        parameters = inspect.signature(function).parameters
        positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == ["a", "k", "mode"]
        assert parameters["mode"].default == "full"
        with pytest.raises(TypeError):
            function(ROW, ones(3), "full", "wrap")
        with pytest.raises(TypeError, match="padding"):
            function(ROW, ones(3), padding=1)
    assert inspect.signature(fl.convolve) == inspect.signature(fl.correlate)


def test_settings_refuse_wrong_values():
    refused(ValueError, ["`n`", "0"], fl.set_num_threads, 0)
    refused(TypeError, ["`n`", "1.5"], fl.set_num_threads, 1.5)
    refused(ValueError, ["'low'", "'highest'"], fl.set_precision, "low")
    with pytest.raises(fl.FaltungError, match="'low'"), fl.precision("low"):
        pass


def test_an_error_leaves_the_library_as_it_was():
    before = fl.convolve(ROW, ones(3))
    for wrong in [{"mode": "some"}, {"dtype": object}, {"stride": 0}, {"workers": 0}]:
        with pytest.raises(fl.FaltungError):
            fl.convolve(ROW, ones(3), **wrong)
    assert np.array_equal(fl.convolve(ROW, ones(3)), before)
