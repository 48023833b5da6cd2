"""Weights of one convention in another: `convert`."""

from __future__ import annotations

from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._errors import FaltungValueError, with_shapes
from faltung._kinds import to_array
from faltung._normalize import normalize_int

from ._conventions import CONVENTIONS, KINDS, OTHER_WORDS, Form

Array: TypeAlias = NDArray[Any]

_WORDS = {"o": "output channels", "i": "input channels", "g": "groups"}


def convert(w: Any, source: str, target: str, *, kind: str = "conv", groups: int | None = None) -> Any:
    """Weights that one library made, in the form that another one takes.

    The same numbers in another order: axes are permuted, split and joined, and taps are flipped along every
    spatial axis where just one of the two conventions flips. There and back is the same array, to the bit.

    Parameters
    ----------
    w : array_like
        Weights of any data type and rank, in the form of `source`.
    source, target : str
        "torch", "onnx", "caffe", "tensorflow" (and Keras), "jax" (lax with HWIO kernels, and flax),
        "jax_transpose_kernel" (transposed, with that option), "theano", "lasagne", "matconvnet", "matlab"
        (layers) or "matlab_conv2" (conv2, convn: taps only). `fl.nn` takes "torch" in the layout
        channels_first, and "jax" (transposed: "tensorflow") in channels_last.
    kind : {"conv", "transpose", "depthwise"}
        Weights of a layer, of a transposed layer, or of a depthwise one, which is a layer with as many groups
        as input channels.
    groups : int, optional
        Groups of the layer, 1 unless it is given; of a depthwise one the input channels, where the shape of
        the source does not tell them: unless it is given, as many as there are kernels.

    Returns
    -------
    array
        A new array of the kind and the type of `w`, C-contiguous.

    Raises
    ------
    FaltungValueError
        A convention that is unknown, or has not this kind, these groups or this rank; a shape that is none of
        the source's; groups that do not divide the channels.

    See Also
    --------
    detect_flip : which convention reproduces a reference output.

    Notes
    -----
    The forms, for two spatial axes H and W, with I input and O output channels, G groups and m kernels for
    every channel of a depthwise layer. Output channels are ordered group by group everywhere.

    =====================  ================  ==================  ==============  ========================
    convention             conv              transpose           depthwise       flips
    =====================  ================  ==================  ==============  ========================
    torch, onnx, caffe     O, I/G, H, W      I, O/G, H, W        I m, 1, H, W    no
    theano, lasagne        O, I/G, H, W      I, O/G, H, W        I m, 1, H, W    yes, all kinds
    tensorflow             H, W, I/G, O      H, W, O, I          H, W, I, m      no
    jax                    H, W, I/G, O      H, W, I, O          H, W, 1, I m    transposed only
    jax_transpose_kernel                     H, W, O, I                          no
    matconvnet             H, W, I/G, O      H, W, O/G, I        H, W, 1, I m    no
    matlab                 H, W, I, O        H, W, O, I          H, W, 1, m, I   no
    matlab, G > 1          H, W, I/G, O/G, G
    matlab_conv2           H, W                                                  yes
    =====================  ================  ==================  ==============  ========================

    A transposed layer "does not flip" where input i and tap h meet in output i S + h D, as in PyTorch: lax
    slides its kernel over the zero-filled input instead, and Theano transposes a layer that flips.

    References
    ----------
    .. [1] PyTorch, `torch.nn.ConvTranspose2d`; ONNX, operators `Conv` and `ConvTranspose`.
    .. [2] TensorFlow, `tf.nn.conv2d_transpose` and `tf.nn.depthwise_conv2d`; JAX, `jax.lax.conv_transpose`.
    .. [3] Theano, `AbstractConv2d_gradInputs`, `filter_flip`; Lasagne, `TransposedConv2DLayer`.
    .. [4] MatConvNet, `vl_nnconv` and `vl_nnconvt`; MATLAB, `groupedConvolution2dLayer`, `conv2`.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> w = np.arange(6.0).reshape(1, 1, 2, 3)
    >>> fl.weights.convert(w, "theano", "torch")
    array([[[[5., 4., 3.],
             [2., 1., 0.]]]])
    >>> fl.weights.convert(
    ...     np.zeros((3, 3, 16, 2)), "tensorflow", "torch", kind="depthwise"
    ... ).shape
    (32, 1, 3, 3)
    """
    given, _, restore = to_array("w", w)
    if kind not in KINDS:
        raise FaltungValueError(f"`kind` (={kind!r}) must be 'conv', 'transpose' or 'depthwise'.")
    count = None if groups is None else normalize_int("groups", groups, 1)
    before, after = _form("source", source, kind), _form("target", target, kind)
    parts, sizes = _split(given, source, before, kind, count)
    result = _joined(parts, sizes, given.shape, target, after)
    if before.flip != after.flip:
        result = result[_flips(after.axes_for(sizes["g"]), result.ndim)]
    return restore(np.array(result, order="C", subok=False))


def _form(name: str, word: object, kind: str) -> Form:
    convention = CONVENTIONS.get(word) if isinstance(word, str) else None
    if convention is None:
        ours = OTHER_WORDS.get(word.lower(), word.lower()) if isinstance(word, str) else ""
        hint = f"that is {ours!r} here" if ours in CONVENTIONS else f"use {_listed(list(CONVENTIONS))}"
        raise FaltungValueError(f"`{name}` (={word!r}) is no convention; {hint}.")
    if kind not in convention.forms:
        kinds = _listed(list(convention.forms))
        raise FaltungValueError(f"`{name}` (={word!r}) has no weights of `kind` {kind!r}; it has {kinds}.")
    return convention.forms[kind]


def _split(w: Array, source: str, form: Form, kind: str, groups: int | None) -> tuple[Array, dict[str, int]]:
    """The weights as (g, o, i, *taps), or (g, i, o, *taps) transposed, and the sizes of g, o and i."""
    axes = form.axes_for(groups or 1)
    rank = w.ndim - len(axes) + 1
    _check_rank("source", source, rank, w.shape, axes)
    found: dict[str, int] = {}
    places = _places(axes, w.ndim)
    if "g" in axes:  # the shape tells the groups
        found["g"] = w.shape[places[axes.index("g")]]
        if groups not in (None, found["g"]):
            message = f"`groups` (={groups}) must be {found['g']}, which the shape of {source} tells."
            raise FaltungValueError(with_shapes(message, w=w.shape))
    elif kind == "depthwise":
        joint = w.shape[places[axes.index("go")]]
        found["g"] = joint if groups is None else groups
    else:
        found["g"] = groups or 1
    if found["g"] > 1 and not any("g" in axis for axis in axes):
        raise FaltungValueError(
            f"`groups` (={found['g']}) must be 1, for {source} has no grouped weights of this kind."
        )
    shape: list[int] = []
    atoms: list[str] = []
    for axis, place in zip(axes, places, strict=True):
        if axis == "k":
            shape += w.shape[place : place + rank]
            atoms += ["k"] * rank
            continue
        size = w.shape[place]
        if len(axis) == 2:
            if not found["g"] or size % found["g"]:
                message = f"`groups` (={found['g']}) must divide the {size} {_channels(axis, kind)} of `w`."
                raise FaltungValueError(with_shapes(message, w=w.shape))
            shape.append(found["g"])
            size //= found["g"]
        found[axis[-1]] = size
        shape.append(size)
        atoms += list(axis)
    for atom in "goi":
        found.setdefault(atom, 1)
        if atom not in atoms:
            shape.append(1)
            atoms.append(atom)
    if kind == "depthwise" and found["i"] != 1:
        message = (
            f"`w` has {found['i']} input channels a group, and a depthwise layer has 1; use kind='conv' with "
            "its groups."
        )
        raise FaltungValueError(with_shapes(message, w=w.shape))
    order = [atoms.index(atom) for atom in "goi"] + [n for n, atom in enumerate(atoms) if atom == "k"]
    return w.reshape(shape).transpose(order), found


def _joined(parts: Array, sizes: dict[str, int], shape: tuple[int, ...], target: str, form: Form) -> Array:
    """The weights (g, o, i, *taps) in the axes of the target."""
    axes = form.axes_for(sizes["g"])
    rank = parts.ndim - 3
    _check_rank("target", target, rank, shape, axes)
    written = "".join(axes)
    for atom, word in _WORDS.items():
        if atom not in written and sizes[atom] > 1:
            raise FaltungValueError(
                with_shapes(
                    f"`target` (={target!r}) has no axis for the {sizes[atom]} {word} of `w`.", w=shape
                )
            )
    order = [n for atom in written for n in (range(3, 3 + rank) if atom == "k" else ["goi".index(atom)])]
    left = [n for n in range(3) if n not in order]
    joined: list[int] = []
    for axis in axes:
        joined += parts.shape[3:] if axis == "k" else [prod(sizes[atom] for atom in axis)]
    return parts.transpose(order + left).reshape(joined)


def _places(axes: tuple[str, ...], ndim: int) -> list[int]:
    """Where each of the axes begins in an array; k stands for all spatial ones."""
    taps = axes.index("k")
    behind = len(axes) - 1 - taps
    return [n if n <= taps else ndim - behind + n - taps - 1 for n in range(len(axes))]


def _flips(axes: tuple[str, ...], ndim: int) -> tuple[slice, ...]:
    """The index that flips every spatial axis."""
    first = axes.index("k")
    rank = ndim - len(axes) + 1
    return tuple(slice(None, None, -1 if first <= n < first + rank else None) for n in range(ndim))


def _check_rank(name: str, word: str, rank: int, shape: tuple[int, ...], axes: tuple[str, ...]) -> None:
    ranks = CONVENTIONS[word].ranks
    if rank < 1:
        message = f"`w` has {len(shape)} axes; weights of {word} have at least {len(axes)} for this kind."
        raise FaltungValueError(with_shapes(message, w=shape))
    if ranks is not None and rank not in ranks:
        has = _listed([str(n) for n in ranks])
        message = f"`{name}` (={word!r}) has layers of {has} spatial axes, and `w` has {rank}."
        raise FaltungValueError(with_shapes(message, w=shape))


def _channels(axis: str, kind: str) -> str:
    return "kernels" if kind == "depthwise" else _WORDS[axis[-1]]


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
