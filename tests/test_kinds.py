"""The first argument decides the kind of the result: ndarray, tensor, another library's array, a list."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import faltung as fl
from conftest import peer
from grids import BFLOAT16, DTYPES, draw


@pytest.fixture
def rng():
    return np.random.default_rng(71)


# ---- NumPy's own family


def test_an_ndarray_gives_an_ndarray():
    assert type(fl.convolve(np.ones(3), np.ones(2))) is np.ndarray
    assert type(fl.convolve([1, 2], [3])) is np.ndarray
    assert type(fl.convolve((1.0, 2.0), np.ones(2))) is np.ndarray
    assert isinstance(fl.convolve(2.0, 3.0), np.float64)


@pytest.mark.parametrize("method", ["direct", "reference"])
def test_a_subclass_gives_a_plain_ndarray(method):
    class Metres(np.ndarray):
        pass

    a = np.arange(5.0).view(Metres)
    got = fl.convolve(a, a[:2], method=method)
    assert type(got) is np.ndarray and got.tolist() == [0, 0, 1, 2, 3, 4]
    assert type(fl.convolve(np.ones(3), a)) is np.ndarray
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    assert type(fl.convolve(matrix, matrix)) is np.ndarray


def test_a_memmap_is_read_where_it_lies(tmp_path, rng):
    a = draw(rng, (40, 50), np.float32)
    np.save(tmp_path / "a.npy", a)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    k = draw(rng, (3, 3), np.float32)
    got = fl.convolve(mapped, k, "same")
    assert type(got) is np.ndarray and np.array_equal(got, fl.convolve(a, k, "same"))
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (40, 50))
    assert fl.convolve(mapped, k, "same", out=out) is out
    out.flush()
    assert np.array_equal(np.load(tmp_path / "out.npy"), got)


def test_whatever_has_array_is_an_array():
    class Measured:
        def __array__(self, dtype=None, copy=None):
            return np.array([1.0, 2.0, 3.0], dtype)

    assert fl.convolve(Measured(), [1.0, 1.0]).tolist() == [1, 3, 5, 3]
    assert fl.convolve([1, 1], Measured()).tolist() == [1, 3, 5, 3]


def test_masked_kernels_are_refused_not_unmasked():
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    for name in ("convolve", "correlate"):
        with pytest.raises(TypeError, match="`k` is a masked array, and its mask would") as caught:
            getattr(fl, name)(np.ones(5), masked)
        assert isinstance(caught.value, fl.FaltungError)


# ---- torch


TORCH_NAMES = [dtype.name for dtype in DTYPES if dtype.name not in ("uint16", "uint32", "uint64")]


def tensor_of(torch, a):
    """The tensor with the same memory, bfloat16 included."""
    if a.dtype == BFLOAT16:
        return torch.from_numpy(a.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(a)


def array_of(torch, t):
    return t.view(torch.int16).numpy().view(BFLOAT16) if t.dtype == torch.bfloat16 else t.numpy()


@pytest.mark.parametrize("name", TORCH_NAMES)
def test_a_tensor_gives_a_tensor(rng, name):
    torch = peer("torch")
    dtype = np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
    a, k = draw(rng, (6, 31), dtype), draw(rng, (3, 2), dtype)
    expected = fl.convolve(a, k, "same", boundary="wrap")
    got = fl.convolve(tensor_of(torch, a), tensor_of(torch, k), "same", boundary="wrap")
    assert isinstance(got, torch.Tensor) and not got.requires_grad and got.device.type == "cpu"
    assert array_of(torch, got).dtype == expected.dtype
    assert array_of(torch, got).tobytes() == expected.tobytes()


def test_the_first_argument_decides():
    torch = peer("torch")
    t, a = torch.arange(4.0), np.ones(2, np.float32)
    assert isinstance(fl.convolve(t, a), torch.Tensor)
    assert isinstance(fl.convolve(t, [1, 1]), torch.Tensor)
    assert isinstance(fl.convolve(t, fl.kernels.box(3, ndim=1)), torch.Tensor)
    assert type(fl.convolve(a, t)) is np.ndarray
    assert type(fl.correlate([1, 2], t)) is np.ndarray
    assert fl.convolve(t, [0.5]).dtype == torch.float32


def test_tensors_of_any_strides():
    torch = peer("torch")
    a = torch.arange(120, dtype=torch.float32).reshape(10, 12)
    k = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    for view in (a.T, a[::2, 1::3], a.expand(3, 10, 12)[1]):
        expected = fl.convolve(view.numpy(), k.numpy())
        assert np.array_equal(fl.convolve(view, k.T.contiguous().T).numpy(), expected)


def test_lazily_conjugated_tensors_are_conjugated():
    torch = peer("torch")
    a = torch.tensor([1 + 2j, 3 - 1j])
    assert fl.convolve(a.conj(), [1]).tolist() == [1 - 2j, 3 + 1j]
    assert fl.convolve(a.conj().imag, [1]).tolist() == [-2, 1]
    assert fl.correlate(torch.tensor([1 + 0j]), a.conj()).tolist() == [3 - 1j, 1 + 2j]


def test_a_tensor_as_out():
    torch = peer("torch")
    a, k = torch.arange(6.0), torch.tensor([1.0, -1.0])
    out = torch.zeros(14)[::2]
    pointer = out.data_ptr()
    assert fl.convolve(a, k, out=out) is out and out.data_ptr() == pointer
    assert out.tolist() == fl.convolve(a, k).tolist()
    assert fl.convolve(a, k, "same", out=a) is a  # in place
    assert a.tolist() == [0, 1, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="`out`"):
        fl.convolve(a, k, out=torch.zeros(3))
    with pytest.raises(TypeError, match="`out`"):
        fl.convolve(a, k, out=torch.zeros(7, dtype=torch.float64))


@pytest.mark.parametrize("place", ["a", "k", "out"])
def test_a_tensor_that_requires_grad_is_refused_and_the_other_door_named(place):
    torch = peer("torch")
    operands = {"a": torch.ones(3), "k": torch.ones(2), "out": torch.zeros(4)}
    operands[place].requires_grad_()
    with pytest.raises(fl.FaltungError, match=r"faltung\.torch") as caught:
        fl.convolve(**operands)
    assert f"`{place}`" in str(caught.value)
    assert isinstance(fl.convolve(operands["a"].detach(), operands["k"].detach()), torch.Tensor)


def test_a_tensor_that_is_not_in_memory_is_refused():
    torch = peer("torch")
    for wrong in (torch.ones(3, device="meta"), torch.ones(3).to_sparse()):
        with pytest.raises(TypeError, match="`a`") as caught:
            fl.convolve(wrong, [1.0])
        assert isinstance(caught.value, fl.FaltungError)


# ---- other libraries, by DLPack


class OtherNamespace:
    """The least that a library of the array API must have for us."""

    @staticmethod
    def from_dlpack(x, **options):
        return OtherArray(np.from_dlpack(x))


class OtherArray:
    """An array that NumPy cannot read by itself: only DLPack opens it."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array_namespace__(self, api_version=None):
        return OtherNamespace

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "complex128"])
def test_an_array_of_another_library_comes_back_as_its_own(rng, dtype):
    a, k = draw(rng, (7, 20), dtype), draw(rng, (2, 3), dtype)
    expected = fl.convolve(a, k, "same")
    got = fl.convolve(OtherArray(a), OtherArray(k), "same")
    assert type(got) is OtherArray and got.values.dtype == expected.dtype
    assert np.array_equal(got.values, expected)
    assert type(fl.convolve(a, OtherArray(k))) is np.ndarray
    assert type(fl.convolve(OtherArray(a), k)) is OtherArray
    assert type(fl.convolve(OtherArray(a), [[1, 2]])) is OtherArray


def test_array_api_strict():
    xp = peer("array_api_strict")
    a = xp.asarray([1.0, 2.0, 3.0])
    got = fl.convolve(a, xp.asarray([1.0, 1.0]))
    assert type(got) is type(a) and [float(v) for v in got] == [1, 3, 5, 3]
