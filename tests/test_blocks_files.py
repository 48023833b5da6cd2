"""Files as operands: whole or not there, whatever happens; pages and memory given back."""

from __future__ import annotations

import errno
import mmap
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
from blocks_tools import Steps, boxes_of
from faltung import _blocks_files
from faltung._blocks_files import mapping
from grids import BFLOAT16, draw
from scripts import run_script

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def samples(folder: Path) -> np.ndarray:
    """What a.npy holds."""
    a = draw(np.random.default_rng(1), (60, 50), "float32")
    np.save("a.npy", a)
    return a


K = np.array([[1, 2, 1], [0, 1, 0], [-1, -2, -3]], np.float32)


# ---- in and out


def test_from_file_to_file(samples):
    want = fl.convolve(samples, K, "same", boundary="wrap")
    with boxes_of((7, 50)):
        y = fl.convolve("a.npy", K, "same", boundary="wrap", out="y.npy", progress=Steps())
    assert isinstance(y, np.memmap) and y.mode == "r"
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(np.load("y.npy"), want)
    assert sorted(os.listdir()) == ["a.npy", "y.npy"]


def test_paths_of_any_kind(samples, folder):
    want = fl.correlate(samples, K)
    for a in ("a.npy", Path("a.npy"), folder / "a.npy", np.load("a.npy", mmap_mode="r")):
        y = fl.correlate(a, K)
        assert type(y) is np.ndarray and y.flags.writeable
        np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(fl.correlate(samples, K, out=Path("y.npy")), want)


def test_a_mask_from_a_file(samples):
    mask = samples > 0.5
    np.save("mask.npy", mask)
    k = np.ones((3, 3), "f4")
    want = fl.convolve(samples, k, "same", mask=mask, return_weight=True)
    with boxes_of((7, 50)):
        got = fl.convolve(
            "a.npy", k, "same", mask="mask.npy", return_weight=True, out="y.npy", progress=Steps()
        )
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", ">f8", "uint8", "complex64", "float16"])
def test_what_files_hold(folder, order, dtype):
    a = np.asarray(
        draw(np.random.default_rng(2), (40, 30), np.dtype(dtype).newbyteorder("=")), dtype, order=order
    )
    np.save("a.npy", a)
    with boxes_of((7, 8)):
        y = fl.convolve("a.npy", [[1, 2], [3, 4]], "full", out="y.npy", memory_limit=4 * MIB)
    np.testing.assert_array_equal(y, fl.convolve(a, [[1, 2], [3, 4]], "full"))
    assert y.flags.c_contiguous and y.dtype.isnative


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)], ids=str)
def test_next_to_nothing(folder, shape):
    a = np.ones(shape)
    np.save("a.npy", a)
    options = {"axes": -1} if a.ndim else {}
    y = fl.convolve(
        "a.npy", np.ones((1,) * min(a.ndim, 1)), "same", out="y.npy", memory_limit=4 * MIB, **options
    )
    assert y.shape == shape == np.load("y.npy").shape
    np.testing.assert_array_equal(y, a)


def test_the_input_may_be_the_output(samples):
    a = np.load("a.npy", mmap_mode="r")
    want = fl.convolve(samples, K, "same")
    with boxes_of((7, 50)):
        fl.convolve("a.npy", K, "same", out="a.npy", progress=Steps())
    np.testing.assert_array_equal(np.load("a.npy"), want)
    np.testing.assert_array_equal(a, samples)


def test_memmaps_of_the_caller(samples):
    want = fl.convolve(samples, K, "same")
    out = np.lib.format.open_memmap("y.npy", "w+", np.float32, (60, 50))
    with boxes_of((7, 50)):
        y = fl.convolve(np.load("a.npy", mmap_mode="r"), K, "same", out=out, memory_limit=4 * MIB)
    assert y is out
    np.testing.assert_array_equal(out, want)
    out.flush()
    np.testing.assert_array_equal(np.load("y.npy"), want)


def test_two_mappings_of_one_file_overlap(samples):
    want = fl.convolve(samples, K, "same")
    a, out = np.load("a.npy", mmap_mode="r"), np.load("a.npy", mmap_mode="r+")
    assert not np.may_share_memory(a, out)
    with boxes_of((7, 50)):
        fl.convolve(a, K, "same", out=out, progress=Steps())
    np.testing.assert_array_equal(out, want)
    top, bottom = np.load("a.npy", mmap_mode="r+")[:30], np.load("a.npy", mmap_mode="r+")[30:]
    assert not _blocks_files.overlap(top, bottom)
    assert _blocks_files.overlap(top, np.load("a.npy", mmap_mode="r+")[29:])


def test_what_was_written_to_a_private_mapping_stays(samples):
    a = np.load("a.npy", mmap_mode="c")
    a[10, 10] = 1000
    want = fl.convolve(np.array(a), K, "same")
    with boxes_of((7, 50)):
        y = fl.convolve(a, K, "same", memory_limit=4 * MIB)
    np.testing.assert_array_equal(y, want)
    assert a[10, 10] == 1000 and mapping(a) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_a_file_without_room_is_an_error_and_not_the_end_of_the_process(folder):
    out = np.lib.format.open_memmap("y.npy", "w+", np.float32, (600, 500))
    os.truncate("y.npy", 100 * 2000)
    with boxes_of((100, 500)), pytest.raises(OSError, match="no room for the pages of `out`") as caught:
        fl.convolve(np.ones((600, 500), np.float32), K, "same", out=out, memory_limit=4 * MIB)
    assert caught.value.errno == errno.ENOSPC
    assert "50000 of its 300000 outputs" in "".join(caught.value.__notes__)


def test_pages_are_found_under_views(samples):
    a = np.load("a.npy", mmap_mode="r")
    for part in (a, np.asarray(a), a[3:], np.asarray(a)[5:, ::2].T):
        found = mapping(part)
        assert found is not None and isinstance(found.memory, mmap.mmap)
        low, high = found.span(part)
        assert 128 <= low < high <= os.stat("a.npy").st_size
        found.release(part)
    assert mapping(samples) is None and mapping(np.array(a)) is None


# ---- whole or not there


@pytest.mark.parametrize("old", [False, True], ids=["new file", "old file"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "Input/output error")], ids=repr)
def test_what_is_interrupted_leaves_nothing(samples, old, error):
    if old:
        Path("y.npy").write_bytes(b"the old one")
    with boxes_of((10, 50)), pytest.raises(type(error)):
        fl.convolve("a.npy", K, "same", out="y.npy", progress=Steps(3, error))
    assert sorted(os.listdir()) == (["a.npy", "y.npy"] if old else ["a.npy"])
    assert not old or Path("y.npy").read_bytes() == b"the old one"


def test_nothing_is_seen_before_it_is_whole(samples):
    def look(done: int, total: int) -> None:
        assert not os.path.exists("y.npy")
        assert all(name.endswith(".tmp") for name in os.listdir() if name != "a.npy")

    with boxes_of((10, 50)):
        fl.convolve("a.npy", K, "same", out="y.npy", progress=look)
    assert sorted(os.listdir()) == ["a.npy", "y.npy"]


def test_what_does_not_fit_leaves_nothing(folder):
    np.save("a.npy", np.full((40, 30), 200, np.uint8))
    with boxes_of((10, 30)), pytest.raises(OverflowError, match=r"at index \(0, 1\) is 400, beyond uint8"):
        fl.convolve("a.npy", np.ones((1, 2), np.uint8), "full", out="y.npy", progress=Steps())
    assert os.listdir() == ["a.npy"]


def test_a_full_disk_is_an_error_before_the_work(samples, monkeypatch):
    def full(file: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    steps = Steps()
    with pytest.raises(OSError, match="No space left on device") as caught:
        fl.convolve("a.npy", K, "same", out="y.npy", progress=steps)
    assert caught.value.filename.endswith(".tmp")
    assert not steps.seen and os.listdir() == ["a.npy"]


@pytest.mark.parametrize("reason", ["missing", errno.EOPNOTSUPP])
def test_where_room_cannot_be_reserved_it_works_all_the_same(samples, monkeypatch, reason):
    def unable(file: int, offset: int, size: int) -> None:
        raise OSError(reason, "not here")

    if reason == "missing":
        monkeypatch.delattr(os, "posix_fallocate")
    else:
        monkeypatch.setattr(os, "posix_fallocate", unable)
    np.testing.assert_array_equal(
        fl.convolve("a.npy", K, "same", out="y.npy"), fl.convolve(samples, K, "same")
    )


def test_links_and_permissions_are_kept(samples, folder):
    np.save("y.npy", np.zeros(3))
    os.chmod("y.npy", 0o640)
    os.symlink(folder / "y.npy", "link.npy")
    fl.convolve("a.npy", K, "same", out="link.npy")
    assert os.path.islink("link.npy") and os.stat("y.npy").st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(np.load("y.npy"), fl.convolve(samples, K, "same"))


# ---- errors


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"out": "folder.npy"}, ValueError, r"`out` \(='folder.npy'\) is a folder; name a .npy file in it"),
        ({"out": "none/y.npy"}, ValueError, r"`out` \(='none/y.npy'\) is in a folder that does not exist"),
        ({"out": Path("y.dat")}, ValueError, r"`out` \(='y.dat'\) must end in .npy"),
        ({"out": "pipe.npy"}, ValueError, r"`out` \(='pipe.npy'\) is no ordinary file"),
        ({"out": "y.npy", "dtype": BFLOAT16}, TypeError, r"cannot say that it holds bfloat16; pass `dtype="),
        ({"out": "y.npy", "memory_limit": 99}, ValueError, r"`memory_limit` \(=99\) is too small"),
        ({"a": "no.npy"}, FileNotFoundError, r"no\.npy"),
        ({"a": "text.npy"}, ValueError, r"`a` \(='text.npy'\) is no .npy file of numbers"),
        ({"a": "short.npy"}, ValueError, r"`a` \(='short.npy'\) is no .npy file of numbers: mmap length"),
        ({"a": "object.npy"}, ValueError, r"`a` \(='object.npy'\) is no .npy file of numbers"),
        ({"a": Path("many.npz")}, TypeError, r"`a` \(='many.npz'\) is an archive of arrays"),
        ({"mask": "text.npy"}, ValueError, r"`mask` \(='text.npy'\) is no .npy file"),
    ],
    ids=str,
)
def test_wrong_files(samples, options, error, words):
    os.mkdir("folder.npy")
    os.mkfifo("pipe.npy")
    Path("text.npy").write_text("1 2 3")
    Path("short.npy").write_bytes(Path("a.npy").read_bytes()[:-5])
    np.save("object.npy", np.array([None]))
    np.savez("many.npz", samples)
    before = sorted(os.listdir())
    with pytest.raises(error, match=words):
        fl.convolve(options.pop("a", "a.npy"), K, "same", progress=Steps(), **options)
    assert sorted(os.listdir()) == before


# ---- memory of the process


SCRIPT = """
import sys
import numpy as np
import faltung as fl

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

def look(done, total):
    global anonymous
    anonymous = max(anonymous, status("RssAnon"))

limit, k = 16 << 20, np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]).astype(np.float32)
a, y = "FOLDER/a.npy", "FOLDER/y.npy"
fl.convolve(a, k[:3, :3], "same", out=y, memory_limit=limit // 4)  # loads what stays
anonymous, before, resident = 0, status("RssAnon"), status("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak of what is resident begins anew
fl.convolve(a, k, "same", boundary="BOUNDARY", out=y, memory_limit=limit, progress=look)
print(anonymous - before, status("VmHWM") - resident)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("boundary", ["reflect", "wrap"])
def test_a_process_stays_within_the_limit(folder, plain_environment, boundary):
    """144 MiB in, 144 MiB out, 16 MiB between; resident are the pages of the files too, and some around."""
    a = np.lib.format.open_memmap("a.npy", "w+", np.float32, (6144, 6144))
    a[...] = np.arange(6144, dtype=np.float32) % 251
    a += np.arange(6144, dtype=np.float32)[:, None] % 241
    code = SCRIPT.replace("FOLDER", str(folder)).replace("BOUNDARY", boundary)
    anonymous, resident = map(int, run_script(code, plain_environment).split())
    assert anonymous < 16 * MIB, f"{anonymous / MIB:.1f} MiB"
    assert resident < 24 * MIB, f"{resident / MIB:.1f} MiB"
    k = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]).astype(np.float32)
    np.testing.assert_array_equal(np.load("y.npy"), fl.convolve(a, k, "same", boundary=boundary))
