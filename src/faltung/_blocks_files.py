"""Files as operands: mapped and not read, results that are whole or not there, pages given back."""

from __future__ import annotations

import errno
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from ._dtype import DType
from ._errors import FaltungTypeError, FaltungValueError

if TYPE_CHECKING:
    from pathlib import Path

Array: TypeAlias = NDArray[Any]
File: TypeAlias = str | PathLike[str]

_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE: Linux 5.14, Python 3.14


def open_array(name: str, path: File) -> Array:
    """The array of a .npy file, mapped for reading."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FaltungValueError(
            f"`{name}` (={os.fspath(path)!r}) is no .npy file of numbers: {error}"
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise FaltungTypeError(
            f"`{name}` (={os.fspath(path)!r}) is an archive of arrays; save the one to use by `np.save`."
        )
    return array


def new_file_path(path: File, dtype: DType) -> Path:
    """Where a result goes, as a path without links; an error where no file can take it."""
    from pathlib import Path  # loads urllib: only where files are written

    shown = f"`out` (={os.fspath(path)!r})"
    target = Path(os.path.realpath(path))
    if Path(path).suffix.lower() != ".npy":
        raise FaltungValueError(f"{shown} must end in .npy, the only format that results are written in.")
    if target.is_dir():
        raise FaltungValueError(f"{shown} is a folder; name a .npy file in it.")
    if target.exists() and not target.is_file():
        raise FaltungValueError(f"{shown} is no ordinary file; name one that is, or one yet to be made.")
    if not target.parent.is_dir():
        raise FaltungValueError(f"{shown} is in a folder that does not exist; make it first.")
    if dtype.kind == "V":
        raise FaltungTypeError(
            f"`out` (={os.fspath(path)!r}): a .npy file cannot say that it holds {dtype}; pass "
            "`dtype=np.float32`, or an array as `out`."
        )
    return target


@contextmanager
def new_file(target: Path, shape: tuple[int, ...], dtype: DType) -> Iterator[Array]:
    """An array in a new file beside `target` that takes its place when the block ends without an error.

    The room on the disk is reserved first: a full disk is an error here and not, as it would be for a mapped
    file that turns out to have no room, the end of the process. The permissions of an old file are kept.
    """
    temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
    try:
        with open(temporary, "x+b") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            )
            start = file.tell()
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            file.truncate(start + size)
            if size:
                _reserve(file.fileno(), start + size, temporary)
            file.flush()
            array = np.memmap(file, dtype, "r+", start, shape) if size else np.empty(shape, dtype)
            yield array
            if isinstance(array, np.memmap):
                array.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _reserve(file: int, size: int, path: Path) -> None:
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None


class Mapping(NamedTuple):
    """The mapped file under an array."""

    memory: mmap.mmap
    address: int  # of its first byte
    offset: int  # of that byte in the file
    file: tuple[int, int] | None  # device and inode

    def prepare(self, part: Array) -> None:
        """Make the pages of a part ready to be written, at once instead of one by one by every thread.

        Where the file has no room for them that is an error here; a page fault would end the process.
        """
        low, high = byte_bounds(part)
        if not sys.platform.startswith("linux") or high - low > 2 * part.nbytes:
            return
        try:
            self._advise(_POPULATE_WRITE, part)
        except OSError as error:
            if error.errno == errno.EFAULT:
                reason = "no room for the pages of `out`: the disk is full, or the file was made shorter"
                raise OSError(errno.ENOSPC, reason) from None

    def release(self, part: Array) -> None:
        """Give the pages of a part back; a shared mapping keeps what was written to them."""
        if hasattr(mmap, "MADV_DONTNEED"):
            with suppress(OSError):  # pages that are locked, or of another size, stay
                self._advise(mmap.MADV_DONTNEED, part)

    def _advise(self, advice: int, part: Array) -> None:
        if part.size:
            low, high = byte_bounds(part)
            start = low - self.address
            start -= start % mmap.PAGESIZE
            self.memory.madvise(advice, start, high - self.address - start)

    def span(self, part: Array) -> tuple[int, int]:
        """The bytes of the file that a part may reach, from the first to behind the last."""
        low, high = byte_bounds(part)
        return low - self.address + self.offset, high - self.address + self.offset


def mapping(array: Array) -> Mapping | None:
    """The file under an array or a view, where `numpy.memmap` shares it; None for all others.

    A mapping of mode "c" is not shared: giving its pages back would undo what was written to them.
    """
    base: Any = array
    root: np.memmap[Any, Any] | None = None
    while isinstance(base, np.ndarray):
        root = base if isinstance(base, np.memmap) else root
        base = base.base
    if root is None or root.mode == "c" or not isinstance(base, mmap.mmap):
        return None
    file = None
    with suppress(OSError, TypeError):  # removed since, or never named
        status = os.stat(root.filename)  # type: ignore[arg-type]
        file = status.st_dev, status.st_ino
    address = np.frombuffer(base, np.uint8).ctypes.data
    return Mapping(base, address, root.offset - root.offset % mmap.ALLOCATIONGRANULARITY, file)


def overlap(one: Array, other: Array) -> bool:
    """Whether two arrays may share memory, be it as two mappings of one file."""
    if np.may_share_memory(one, other):
        return True
    here, there = mapping(one), mapping(other)
    if here is None or there is None or here.file is None or here.file != there.file:
        return False
    (low, high), (least, most) = here.span(one), there.span(other)
    return low < most and least < high
