"""Blocks: folded batch norm within the promise; in training results, running statistics and gradients."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

import faltung as fl
import reference_nn
from checks import promise
from conftest import peer
from grids import BFLOAT16, cover, draw
from nn_tools import ACTIVATIONS, KINDS, LAYOUTS, Shape, layer, turned, turned_weights
from reference_nn import activate

SIZES = {1: (12,), 2: (7, 9), 3: (4, 5, 6)}
TAPS = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}


@pytest.fixture
def rng():
    return np.random.default_rng(5150)


def norm_of(rng, channels, dtype=np.float32, **options):
    scale, bias, mean = (draw(rng, (channels,), dtype) for _ in range(3))
    return fl.nn.BatchNorm(scale, bias, mean, rng.random(channels).astype(dtype) + dtype(0.1), **options)


# ---- folded, for use


@cover(
    rank=(1, 2, 3), kind=KINDS, layout=LAYOUTS, dtype=("float32", "float64", "float16"), bias=(False, True),
    residual=(False, True), activation=(None, "relu", "hardswish"), batch=(None, 2),
)  # fmt: skip
def test_folded_within_the_promise(rng, rank, kind, layout, dtype, bias, residual, activation, batch):
    """n terms, one for the bias, one for the residual, two for the folded normalization."""
    shape, dtype = Shape.of(kind, 6), np.dtype(dtype)
    x, w, b = layer(rng, dtype, shape, SIZES[rank], TAPS[rank], batch, layout)
    b = b if bias else None
    norm = norm_of(rng, shape.outside, dtype.type)
    options = {"stride": 2, "padding": 1, "groups": shape.groups, "layout": layout}
    sums = reference_nn.conv(x, w, b, **options)
    r = draw(rng, sums.shape, dtype) if residual else None
    got = fl.nn.conv_block(x, w, b, batch_norm=norm, activation=activation, residual=r, **options)
    assert got.shape == sums.shape and got.dtype == dtype
    wide = np.longdouble
    scale, shift, mean, var = (getattr(norm, n).astype(wide) for n in ("scale", "bias", "mean", "var"))
    factor = scale / np.sqrt(var + wide(norm.eps))

    def along(values):
        return np.reshape(values, (-1,) if layout == "channels_last" else (-1, *(1,) * rank))

    y = along(factor) * (sums.value - along(mean)) + along(shift)
    size = along(abs(factor)) * (sums.size + along(abs(mean))) + along(abs(shift))
    if r is not None:
        y, size = y + r, size + abs(r.astype(wide))
    unit = wide(2) ** (-53 if dtype == np.float64 else -24)
    limit = promise(sums.terms + 3 + residual) * unit * size + sums.reach * wide(2) ** -123
    if dtype == np.float16:  # the folded weights and the result are of 11 bits
        limit = limit + size * wide(2) ** -10
    want = activate(y, activation)
    limit = (1.5 * limit + 8 * unit * abs(want)) if activation == "hardswish" else limit
    assert (abs(got - want) <= limit).all()


def test_folding_is_done_once_in_float64(rng):
    """Weights and bias are what float64 gives, rounded once."""
    for dtype in (np.float32, np.float16, BFLOAT16, np.float64):
        w = draw(rng, (5, 3, 2, 2), np.float32).astype(dtype)
        b = draw(rng, (5,), np.float32).astype(dtype)
        norm = norm_of(rng, 5)
        factor = norm.scale.astype(float) / np.sqrt(norm.var.astype(float) + norm.eps)
        folded, bias = norm.folded(w, b)
        assert folded.dtype == bias.dtype == dtype and folded.flags.c_contiguous
        want = (w.astype(float) * factor[:, None, None, None]).astype(dtype)
        np.testing.assert_array_equal(folded, want)
        want = ((b.astype(float) - norm.mean) * factor + norm.bias).astype(dtype)
        np.testing.assert_array_equal(bias, want)
        last, same = norm.folded(turned_weights(w, "channels_last"), b, layout="channels_last")
        np.testing.assert_array_equal(last, turned_weights(folded, "channels_last"))
        np.testing.assert_array_equal(same, bias)


def test_a_plan_of_folded_weights_is_the_block(rng):
    x, w, b = layer(rng, "float32", Shape(4, 6, 1), (9, 8), (3, 3))
    norm = norm_of(rng, 6)
    plan = fl.nn.plan_conv(x.shape, *norm.folded(w, b), padding=1, activation="relu")
    np.testing.assert_array_equal(plan(x), fl.nn.conv_block(x, w, b, batch_norm=norm, padding=1))


def test_out_kinds_and_lists(rng):
    x, w, b = layer(rng, "float32", Shape(4, 6, 1), (9, 8), (3, 3))
    norm = norm_of(rng, 6)
    want = fl.nn.conv_block(x, w, b, batch_norm=norm)
    out = np.empty_like(want)
    assert fl.nn.conv_block(x, w, b, batch_norm=norm, out=out) is out
    np.testing.assert_array_equal(out, want)
    np.testing.assert_array_equal(fl.nn.conv_block(x.tolist(), w, b, batch_norm=norm), want)
    torch = peer("torch")
    tensors = [torch.from_numpy(a) for a in (x, w, b)]
    got = fl.nn.conv_block(*tensors, batch_norm=norm)
    assert isinstance(got, torch.Tensor)
    np.testing.assert_array_equal(got.numpy(), want)
    y, saved = fl.nn.conv_block_train(*tensors, batch_norm=norm)
    gradients = fl.nn.grad.conv_block(torch.ones_like(y), saved)
    assert isinstance(gradients.x, torch.Tensor) and isinstance(gradients.w, torch.Tensor)
    assert isinstance(gradients.scale, np.ndarray)


def test_a_batch_norm_is_frozen_and_a_copy(rng):
    scale = np.ones(3, np.float32)
    norm = fl.nn.BatchNorm(scale, scale, scale, scale)
    scale[:] = 7
    assert norm.scale.tolist() == [1, 1, 1] and norm.scale.dtype == np.float32
    with pytest.raises(FrozenInstanceError):
        norm.scale = scale
    with pytest.raises(ValueError, match="read-only"):
        norm.var[0] = 2
    assert replace(norm, scale=scale).scale.tolist() == [7, 7, 7]
    again = pickle.loads(pickle.dumps(norm))
    assert np.array_equal(again.var, norm.var) and (again.eps, again.momentum) == (1e-5, 0.1)
    assert repr(norm) == "BatchNorm(3 channels, eps=1e-05, momentum=0.1)"
    assert fl.nn.BatchNorm([1, 2], [0, 0], [0, 0], [1, 1]).scale.dtype == np.float64


# ---- in training, by the definition


def forward(x, w, b, norm, activation, residual, rate=0.0, mask=None, **options):
    """The definition in longdouble: result, mean and biased variance, all in the layout's axes."""
    wide = np.longdouble
    z = reference_nn.conv(
        x.astype(wide), w.astype(wide), None if b is None else b.astype(wide), **options
    ).value
    last, batched = options.get("layout") == "channels_last", x.ndim == w.ndim
    z = z if batched else z[None]
    axes = tuple(range(z.ndim - 1)) if last else (0, *range(2, z.ndim))
    mean, var = z.mean(axis=axes), z.var(axis=axes)
    along = lambda v: v if last else v.reshape(-1, *(1,) * (z.ndim - 2))  # noqa: E731
    y = along(norm.scale.astype(wide)) * (z - along(mean)) / along(np.sqrt(var + wide(norm.eps)))
    y = y + along(norm.bias.astype(wide))
    y = y if batched else y[0]
    y = activate(y if residual is None else y + residual.astype(wide), activation)
    y = y if mask is None else np.where(mask, y / wide(1 - rate), 0)
    return y, mean, var, z.size // mean.size


@cover(
    rank=(1, 2, 3), kind=KINDS, layout=LAYOUTS, dtype=("float32", "float64", "float16", "bfloat16"),
    activation=ACTIVATIONS, residual=(False, True), batch=(None, 1, 3), bias=(False, True),
    boundary=("constant", "edge"), stride=(1, 2),
)  # fmt: skip
def test_training_forward(
    rng, rank, kind, layout, dtype, activation, residual, batch, bias, boundary, stride
):
    shape = Shape.of(kind, 6)
    dtype = BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)
    x, w, b = layer(rng, dtype, shape, SIZES[rank], TAPS[rank], batch, layout)
    b = b if bias else None
    norm = norm_of(rng, shape.outside, momentum=0.25)
    options = {"padding": 1, "groups": shape.groups, "layout": layout, "boundary": boundary, "stride": stride}
    size = reference_nn.conv(x.astype(float), w.astype(float), **options).shape
    r = draw(rng, size, dtype) if residual else None
    want, mean, var, count = forward(x, w, b, norm, activation, r, **options)
    y, saved = fl.nn.conv_block_train(x, w, b, batch_norm=norm, activation=activation, residual=r, **options)
    assert y.dtype == dtype and y.shape == want.shape and y.flags.c_contiguous
    eps = {2: 2.0**-8 if dtype == BFLOAT16 else 2.0**-11, 4: 2.0**-19, 8: 2.0**-47}[dtype.itemsize]
    np.testing.assert_allclose(y.astype(np.longdouble), want, rtol=eps, atol=eps * 8)
    close = {"rtol": 2.0**-18, "atol": 2.0**-18 * float(abs(mean).max() + 1)}
    np.testing.assert_allclose(saved.batch_norm.mean, 0.75 * norm.mean + 0.25 * mean, **close)
    unbiased = var * count / (count - 1)
    np.testing.assert_allclose(saved.batch_norm.var, 0.75 * norm.var + 0.25 * unbiased, rtol=1e-5)
    assert saved.batch_norm.scale.tolist() == norm.scale.tolist() and saved.batch_norm.momentum == 0.25


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sizes", [(40, 41), (3, 3), (101, 97)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_statistics_are_sound(rng, layout, sizes, dtype):
    """Means far beyond the deviation, tiny and huge values, a constant channel: the variance is right.

    The layer is the identity, so that the values are known exactly.
    """
    levels = np.array([0, 1e4, -1e6, 1e-20, 1e18, 3, 1e4])
    spread = np.array([1, 1, 1000, 1e-22, 1e15, 0, 1e-1])
    z = levels.reshape(1, -1, 1, 1) + spread.reshape(1, -1, 1, 1) * rng.standard_normal((4, 7, *sizes))
    x = turned(z.astype(dtype), layout)
    w = turned_weights(np.eye(7, dtype=dtype)[:, :, None, None], layout)
    zero = np.zeros(7)
    norm = fl.nn.BatchNorm(
        zero + 1, zero, zero, zero, eps=1e-60 if dtype == "float64" else 1e-40, momentum=1.0
    )
    y, saved = fl.nn.conv_block_train(x, w, batch_norm=norm, activation=None, layout=layout)
    values = x.astype(np.longdouble)
    axes = (0, 1, 2) if layout == "channels_last" else (0, 2, 3)
    mean, var = values.mean(axis=axes), values.var(axis=axes, ddof=1)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(saved.batch_norm.mean, mean, rtol=20 * eps, atol=20 * eps * float(spread[0]))
    np.testing.assert_allclose(
        saved.batch_norm.var[[0, 1, 2, 4, 5, 6]], var[[0, 1, 2, 4, 5, 6]], rtol=500 * eps
    )
    normal = np.moveaxis(y, -1, 1) if layout == "channels_last" else y
    for channel in (0, 1, 2, 4, 6):
        exact = (np.moveaxis(values, -1, 1) if layout == "channels_last" else values)[:, channel]
        exact = (exact - exact.mean()) / exact.std()
        assert abs(normal[:, channel] - exact).max() < 2000 * eps, channel
    assert abs(normal[:, 5]).max() == 0


def test_a_bias_moves_the_running_mean_only(rng):
    x, w, _ = layer(rng, "float32", Shape(4, 6, 1), (9, 8), (3, 3))
    b = np.float32([1e6, -3, 0, 1, 2, 1e-3])
    norm = norm_of(rng, 6, momentum=1.0)
    plain, without = fl.nn.conv_block_train(x, w, batch_norm=norm)
    shifted, saved = fl.nn.conv_block_train(x, w, b, batch_norm=norm)
    np.testing.assert_array_equal(plain, shifted)
    np.testing.assert_allclose(saved.batch_norm.mean, without.batch_norm.mean + b, rtol=1e-6)
    gradients = fl.nn.grad.conv_block(np.ones_like(plain), saved)
    assert gradients.b.tolist() == [0] * 6 and gradients.b.dtype == np.float32
    assert fl.nn.grad.conv_block(np.ones_like(plain), without).b is None
    b[2] = np.nan
    broken, _ = fl.nn.conv_block_train(x, w, b, batch_norm=norm, activation=None)
    assert np.isnan(broken[:, 2]).all() and not np.isnan(broken[:, [0, 1, 3, 4, 5]]).any()


def test_nobodys_arrays_are_written(rng):
    x, w, b = layer(rng, "float32", Shape(4, 6, 1), (9, 8), (1, 1))
    x += 1000  # channels that are centred in place
    r = draw(rng, (2, 6, 9, 8), np.float32)
    norm = norm_of(rng, 6)
    given = [x, w, b, r, *(getattr(norm, name) for name in ("scale", "bias", "mean", "var"))]
    copies = [a.copy() for a in given]
    for activation in (None, "relu", "silu"):
        for residual in (None, r):
            y, saved = fl.nn.conv_block_train(
                x, w, b, batch_norm=norm, activation=activation, residual=residual, dropout=0.5,
                rng=np.random.default_rng(0),
            )  # fmt: skip
            g = draw(rng, y.shape, np.float32)
            kept = g.copy()
            first = fl.nn.grad.conv_block(g, saved)
            y[...] = np.nan  # the result is the caller's own
            second = fl.nn.grad.conv_block(g, saved)
            for one, two in zip(first, second, strict=True):
                assert (one is None and two is None) or np.array_equal(one, two)
                assert one is None or not np.shares_memory(one, g)
            assert np.array_equal(g, kept)
    for a, copy in zip(given, copies, strict=True):
        assert np.array_equal(a, copy)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_bits_for_any_workers(rng, layout):
    x, w, _ = layer(rng, "float32", Shape(16, 32, 1), (33, 31), (3, 3), 3, layout)
    norm = norm_of(rng, 32)
    found = []
    for workers in (1, 2, 3):
        y, saved = fl.nn.conv_block_train(x, w, batch_norm=norm, layout=layout, workers=workers)
        gradients = fl.nn.grad.conv_block(np.sin(y), saved)
        found.append(
            [y, saved.batch_norm.mean, saved.batch_norm.var, *(a for a in gradients if a is not None)]
        )
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


# ---- dropout


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("activation", [None, "relu", "gelu"])
def test_dropout(rng, layout, dtype, activation):
    """One float32 number an output in C order, last of all, the others scaled; also in the gradients."""
    x, w, _ = layer(rng, dtype, Shape(4, 6, 1), (40, 31), (3, 3), 12, layout)
    norm = norm_of(rng, 6)
    options = {"batch_norm": norm, "activation": activation, "layout": layout}
    plain, first = fl.nn.conv_block_train(x, w, **options)
    for rate in (0.25, 0.5, 1e-3):
        y, saved = fl.nn.conv_block_train(x, w, dropout=rate, rng=np.random.default_rng(3), **options)
        keep = np.random.default_rng(3).random(y.shape, np.float32) >= np.float32(rate)
        eps = np.finfo(dtype).eps
        want = np.where(keep, plain.astype(np.float64) / (1 - rate), 0)
        least = float(np.finfo(dtype).smallest_subnormal)
        np.testing.assert_allclose(y, want, rtol=4 * eps, atol=least)
        assert abs(keep.mean() - (1 - rate)) < 0.01
        assert saved.batch_norm.mean.tolist() == first.batch_norm.mean.tolist()
        g = draw(rng, y.shape, dtype)
        got = fl.nn.grad.conv_block(g, saved)
        behind = np.where(keep, g.astype(np.float64) / (1 - rate), 0).astype(dtype)
        other = fl.nn.grad.conv_block(behind, first)
        for name in ("x", "w", "scale", "bias"):
            a, b = getattr(got, name).astype(float), getattr(other, name).astype(float)
            np.testing.assert_allclose(
                a, b, rtol=0, atol=(128 if dtype == "float16" else 16) * eps * abs(b).max(), err_msg=name
            )
    again, _ = fl.nn.conv_block_train(x, w, dropout=0.0, rng=np.random.default_rng(3), **options)
    np.testing.assert_array_equal(again, plain)


def test_dropout_goes_on_with_the_generator(rng):
    x, w, _ = layer(rng, "float32", Shape(2, 3, 1), (7,), (3,), 5)
    norm, source, twin = norm_of(rng, 3), np.random.default_rng(9), np.random.default_rng(9)
    masks = []
    for _ in range(3):
        y, _ = fl.nn.conv_block_train(x, w, batch_norm=norm, activation="sigmoid", dropout=0.4, rng=source)
        assert np.array_equal(y != 0, twin.random(y.shape, np.float32) >= np.float32(0.4))
        masks.append(y != 0)
    assert not np.array_equal(masks[0], masks[1])


def test_infinities_are_dropped(rng):
    """A dropped output and a closed relu give 0, whatever was there."""
    x, w, _ = layer(rng, "float64", Shape(2, 3, 1), (50,), (3,), 5)
    r = np.full((5, 3, 48), np.inf)
    y, saved = fl.nn.conv_block_train(
        x, w, batch_norm=norm_of(rng, 3), residual=r, dropout=0.5, rng=np.random.default_rng(1)
    )
    assert set(np.unique(y)) == {0, np.inf}
    g = np.where(y == 0, np.inf, 1.0)
    assert np.array_equal(fl.nn.grad.conv_block(g, saved).residual, np.where(y == 0, 0, 2.0))


# ---- gradients


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [None, 2])
def test_gradients_by_finite_differences(rng, activation, layout, batch):
    shape = Shape(4, 6, 2)
    x, w, b = layer(rng, "float64", shape, (6, 5), (3, 2), batch, layout)
    norm = norm_of(rng, 6, np.float64)
    options = {
        "groups": 2,
        "padding": ((1, 0), (2, 1)),
        "stride": (2, 1),
        "dilation": (1, 2),
        "layout": layout,
    }
    size = reference_nn.conv(x, w, **options).shape
    r = draw(rng, size, np.float64)
    mix = draw(rng, size, np.float64)

    def loss(values):
        y, _ = fl.nn.conv_block_train(
            values["x"], values["w"], b, residual=values["residual"], activation=activation,
            batch_norm=replace(norm, scale=values["scale"], bias=values["bias"]),
            dropout=0.2, rng=np.random.default_rng(4), **options,
        )  # fmt: skip
        return float((y * mix).sum())

    start = {"x": x, "w": w, "residual": r, "scale": norm.scale, "bias": norm.bias}
    _, saved = fl.nn.conv_block_train(
        x, w, b, residual=r, activation=activation, batch_norm=norm, dropout=0.2,
        rng=np.random.default_rng(4), **options,
    )  # fmt: skip
    gradients = fl.nn.grad.conv_block(mix, saved)
    for name, value in start.items():
        got = getattr(gradients, name)
        assert got.shape == value.shape and got.dtype == np.float64
        direction, step = draw(rng, value.shape, np.float64), 1e-6
        ends = [loss(start | {name: value + sign * step * direction}) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert abs((got * direction).sum() - slope) < 1e-5 * (abs(got * direction).sum() + 1), name


TORCH_ACTIVATIONS = {
    None: lambda f, y: y,
    "relu": lambda f, y: f.relu(y),
    "relu6": lambda f, y: f.relu6(y),
    "hardswish": lambda f, y: f.hardswish(y),
    "hardsigmoid": lambda f, y: f.hardsigmoid(y),
    "sigmoid": lambda f, y: f.sigmoid(y),
    "silu": lambda f, y: f.silu(y),
    "tanh": lambda f, y: f.tanh(y),
    "gelu": lambda f, y: f.gelu(y),
    "gelu_tanh": lambda f, y: f.gelu(y, approximate="tanh"),
    ("leaky_relu", 0.1): lambda f, y: f.leaky_relu(y, 0.1),
    ("clip", -1.0, 2.0): lambda f, y: f.hardtanh(y, -1, 2),
}


@pytest.mark.filterwarnings("ignore:nn.functional.(tanh|sigmoid) is deprecated")
@cover(
    rank=(1, 2, 3), kind=KINDS, layout=LAYOUTS, dtype=("float32", "float64"),
    activation=tuple(TORCH_ACTIVATIONS), residual=(False, True), bias=(False, True), stride=(1, 2),
    dilation=(1, 2), momentum=(0.1, 0.9), far=(False, True),
)  # fmt: skip
def test_against_torch(
    rng, rank, kind, layout, dtype, activation, residual, bias, stride, dilation, momentum, far
):
    """Results, every gradient and the running statistics of three steps."""
    torch = peer("torch")
    functional = torch.nn.functional
    shape = Shape.of(kind, 4)
    sizes, taps = {1: (23,), 2: (9, 11), 3: (6, 7, 8)}[rank], TAPS[rank]
    norm = norm_of(rng, shape.outside, np.dtype(dtype).type, momentum=momentum)
    mean, var = (torch.tensor(a) for a in (norm.mean, norm.var))
    tensor = lambda a: torch.tensor(a, requires_grad=True)  # noqa: E731
    for _ in range(3):
        x, w, b = layer(rng, dtype, shape, sizes, taps, 3)
        x = x + np.dtype(dtype).type(50) if far else x
        options = {"stride": stride, "padding": 1, "dilation": dilation, "groups": shape.groups}
        theirs = {"x": tensor(x), "w": tensor(w), "scale": tensor(norm.scale), "bias": tensor(norm.bias)}
        call = [functional.conv1d, functional.conv2d, functional.conv3d][rank - 1]
        z = call(theirs["x"], theirs["w"], torch.tensor(b) if bias else None, **options)
        z = functional.batch_norm(z, mean, var, theirs["scale"], theirs["bias"], True, momentum, 1e-5)
        if residual:
            theirs["residual"] = tensor(draw(rng, tuple(z.shape), dtype))
            z = z + theirs["residual"]
        want = TORCH_ACTIVATIONS[activation](functional, z)
        g = draw(rng, tuple(want.shape), dtype)
        want.backward(torch.from_numpy(g))
        r = turned(theirs["residual"].detach().numpy(), layout) if residual else None
        y, saved = fl.nn.conv_block_train(
            turned(x, layout), turned_weights(w, layout), b if bias else None, batch_norm=norm,
            activation=activation, residual=r, layout=layout, **options,
        )  # fmt: skip
        gradients = fl.nn.grad.conv_block(turned(g, layout), saved)
        unit = np.finfo(dtype).eps * (50 if far else 1)
        unit = max(unit, 2e-10) if activation == "hardsigmoid" else unit  # PyTorch's 1/6 is that of float32
        near(y, turned(want.detach().numpy(), layout), 200 * unit)
        near(gradients.x, turned(theirs["x"].grad.numpy(), layout), 400 * unit)
        near(gradients.w, turned_weights(theirs["w"].grad.numpy(), layout), 400 * unit)
        near(gradients.scale, theirs["scale"].grad.numpy(), 400 * unit)
        near(gradients.bias, theirs["bias"].grad.numpy(), 400 * unit)
        if residual:
            near(gradients.residual, turned(theirs["residual"].grad.numpy(), layout), 400 * unit)
        near(saved.batch_norm.mean, mean.numpy(), 100 * unit)
        near(saved.batch_norm.var, var.numpy(), 100 * unit)
        norm = saved.batch_norm


def near(ours, theirs, tolerance):
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * abs(theirs).max())


@pytest.mark.parametrize("dtype", ["float16", BFLOAT16], ids=str)
def test_half_types_are_computed_in_float32(rng, dtype):
    x, w, b = layer(rng, "float32", Shape(4, 6, 1), (9, 8), (3, 3))
    x, w, b = (a.astype(dtype) for a in (x, w, b))
    norm = norm_of(rng, 6)
    y, saved = fl.nn.conv_block_train(x, w, b, batch_norm=norm, activation="silu")
    wide = [a.astype(np.float32) for a in (x, w, b)]
    want, other = fl.nn.conv_block_train(*wide, batch_norm=norm, activation="silu")
    np.testing.assert_array_equal(y, want.astype(dtype))
    g = draw(rng, y.shape, np.float32).astype(dtype)
    half, single = fl.nn.grad.conv_block(g, saved), fl.nn.grad.conv_block(g.astype(np.float32), other)
    for name in ("x", "w"):
        assert getattr(half, name).dtype == dtype
        np.testing.assert_array_equal(getattr(half, name), getattr(single, name).astype(dtype))
    assert half.scale.dtype == np.float32 and np.array_equal(half.scale, single.scale)


def test_where_the_factor_goes_does_not_matter(rng):
    """Many weights and few results, and the reverse: the factor of dz goes into the fewer."""
    for shape, sizes, batch in [(Shape(32, 48, 1), (5, 5), 1), (Shape(3, 4, 1), (40, 40), 2)]:
        x, w, _ = layer(rng, "float64", shape, sizes, (3, 3), batch)
        norm = norm_of(rng, shape.outside, np.float64)
        y, saved = fl.nn.conv_block_train(x, w, batch_norm=norm, activation=None)
        g = draw(rng, y.shape, np.float64)
        gradients = fl.nn.grad.conv_block(g, saved)
        z = fl.nn.conv(x, w)
        mean, std = z.mean((0, 2, 3), keepdims=True), np.sqrt(z.var((0, 2, 3), keepdims=True) + 1e-5)
        hat = (z - mean) / std
        means = [(v * g).mean((0, 2, 3), keepdims=True) for v in (1, hat)]
        dz = norm.scale.reshape(1, -1, 1, 1) / std * (g - means[0] - hat * means[1])
        near(gradients.w, fl.nn.grad.conv_weight(x, w.shape, dz), 1e-12)
        near(gradients.x, fl.nn.grad.conv_input(x.shape, w, dz), 1e-12)


# ---- errors


X, W, B = np.ones((2, 4, 6, 7), np.float32), np.ones((6, 4, 3, 3), np.float32), np.ones(6, np.float32)
NORM = fl.nn.BatchNorm(B, B, B, B)
BOTH = pytest.mark.parametrize("call", [fl.nn.conv_block, fl.nn.conv_block_train], ids=["use", "train"])


def refused(kind, words, call, *arguments, **options):
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert isinstance(caught.value, fl.FaltungError)
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"


FIVE = np.ones(5, np.float32)
SMALL = fl.nn.BatchNorm(FIVE, FIVE, FIVE, FIVE)


@BOTH
@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"batch_norm": SMALL}, ValueError, ["`batch_norm`", "5 channels", "6"]),
        ({"batch_norm": (B, B, B, B)}, TypeError, ["`batch_norm` (a tuple)", "fl.nn.BatchNorm(scale"]),
        ({"batch_norm": None}, TypeError, ["`batch_norm` (a NoneType)"]),
        ({"x": X.astype(int), "w": W.astype(int), "b": None}, TypeError, ["`x` has data type int64"]),
        ({"x": X + 0j, "w": W + 0j, "b": None}, TypeError, ["`x` has data type complex64"]),
        ({"w": W.astype(float)}, TypeError, ["`w`", "float64", "float32"]),
        ({"b": np.ones(6)}, TypeError, ["`b` (of float64)", "float32"]),
        ({"b": FIVE}, ValueError, ["`b`", "6 output channels", "(5,)"]),
        ({"activation": "swish"}, ValueError, ["`activation` (='swish')", "'silu'"]),
        ({"residual": np.ones((2, 6, 4, 4), np.float32)}, ValueError, ["`residual`", "(2, 6, 4, 5)"]),
        ({"layout": "NHWC"}, ValueError, ["`layout` (='NHWC')"]),
        ({"groups": 3}, ValueError, ["`groups` (=3)"]),
        ({"stride": 0}, ValueError, ["`stride` (=0)"]),
        ({"w": W[:, :, 0, 0]}, ValueError, ["`w` has 2 axes"]),
        ({"padding": "half"}, ValueError, ["`padding` (='half')"]),
        ({"method": "magic"}, ValueError, ["`method` (='magic')"]),
    ],
)  # fmt: skip
def test_errors_of_both(call, changes, kind, words):
    arguments = {"x": X, "w": W, "b": B, "batch_norm": NORM} | changes
    refused(kind, words, call, **arguments)


ROWS = [
    ({"scale": np.ones((6, 1))}, ValueError, ["`scale`", "(6, 1)"]),
    ({"mean": FIVE}, ValueError, ["`mean`", "mean: (5,)", "scale: (6,)"]),
    (
        {name: np.ones(0) for name in ("scale", "bias", "mean", "var")},
        ValueError,
        ["one number for each channel"],
    ),
    ({"var": np.float32([1, 1, -0.5, 1, 1, 1])}, ValueError, ["`var` (=-0.5 in channel 2)", "negative"]),
    ({"bias": np.ones(6, int)}, TypeError, ["`bias` has data type int64", "float32"]),
    ({"bias": np.ones(6, complex)}, TypeError, ["`bias` has data type complex128"]),
    ({"eps": 0}, ValueError, ["`eps` (=0.0)", "1e-5"]),
    ({"eps": -1e-3}, ValueError, ["`eps` (=-0.001)"]),
    ({"eps": "small"}, TypeError, ["`eps` (='small')", "one finite number"]),
    ({"eps": np.nan}, TypeError, ["`eps` (=nan)"]),
    ({"momentum": 1.5}, ValueError, ["`momentum` (=1.5)", "0 to 1"]),
    ({"momentum": None}, TypeError, ["`momentum` (=None)"]),
    ({"momentum": True}, TypeError, ["`momentum` (=True)"]),
]


@pytest.mark.parametrize(("changes", "kind", "words"), ROWS)
def test_errors_of_a_batch_norm(changes, kind, words):
    arguments = {"scale": B, "bias": B, "mean": B, "var": B} | changes
    refused(kind, words, fl.nn.BatchNorm, **arguments)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"dropout": 1.0}, ValueError, ["`dropout` (=1.0)", "below 1"]),
        ({"dropout": -0.1}, ValueError, ["`dropout` (=-0.1)"]),
        ({"dropout": np.nan}, ValueError, ["`dropout` (=nan)"]),
        ({"dropout": "half"}, TypeError, ["`dropout` (='half')"]),
        ({"dropout": 0.5}, ValueError, ["`dropout` (=0.5)", "`rng`", "default_rng"]),
        ({"dropout": 0.5, "rng": 42}, TypeError, ["`rng` (a int)", "numpy.random.Generator"]),
        ({"rng": np.random.RandomState(1)}, TypeError, ["`rng` (a RandomState)"]),
        ({"x": X[:1, :, :3, :3]}, ValueError, ["`x` gives 1 value a channel", "no variance", "(1, 6, 1, 1)"]),
        ({"x": X[0, :, :3, :3]}, ValueError, ["`x` gives 1 value a channel", "`conv_block`"]),
        ({"x": X[:0]}, ValueError, ["`x` gives 0 values a channel"]),
    ],
)  # fmt: skip
def test_errors_of_training(changes, kind, words):
    arguments = {"x": X, "w": W, "b": B, "batch_norm": NORM} | changes
    refused(kind, words, fl.nn.conv_block_train, **arguments)


def test_errors_of_folding():
    refused(ValueError, ["`batch_norm`", "6 channels", "4 output channels"], NORM.folded, W[:4])
    refused(ValueError, ["`b`", "(5,)"], NORM.folded, W, FIVE)
    refused(TypeError, ["`w` has data type int64"], NORM.folded, W.astype(int))
    refused(ValueError, ["`layout` (='last')"], NORM.folded, W, layout="last")


def test_errors_of_gradients():
    y, saved = fl.nn.conv_block_train(X, W, B, batch_norm=NORM)
    call = fl.nn.grad.conv_block
    assert call(y, saved).x.shape == X.shape
    refused(ValueError, ["`g` must have the shape", "(2, 6, 4, 5)", "(2, 6, 4, 4)"], call, y[..., :4], saved)
    refused(TypeError, ["`g` (of float64)", "float32"], call, y.astype(float), saved)
    refused(TypeError, ["`saved` (a ndarray)", "conv_block_train"], call, y, y)
    refused(TypeError, ["`saved` (a BatchNorm)"], call, y, NORM)
    assert call(y.tolist(), saved).w.dtype == np.float32


def test_options_are_keyword_only():
    for function, expected in [
        (fl.nn.conv_block, ["x", "w", "b"]),
        (fl.nn.conv_block_train, ["x", "w", "b"]),
        (fl.nn.grad.conv_block, ["g", "saved"]),
    ]:
        parameters = inspect.signature(function).parameters
        assert [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD] == expected
    both = inspect.signature(fl.nn.conv_block).parameters
    assert both["activation"].default == "relu"
    assert set(both) - {"out"} <= set(inspect.signature(fl.nn.conv_block_train).parameters)
    assert set(both) - {"batch_norm"} <= set(inspect.signature(fl.nn.conv).parameters)
