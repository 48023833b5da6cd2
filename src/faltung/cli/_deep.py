"""Colour of 16 bits a sample, which Pillow opens but silently cuts to 8, and cannot write at all.

Reading: Pillow's unpackers ``RGB;16B`` and ``RGB;16L`` each keep one byte of every sample and drop the other.
Which byte depends on the byte order they assume, so decoding the same file once with each gives both bytes:

    file (big-endian)   R1 R0 G1 G0 B1 B0 ...
    as ``RGB;16B``      R1    G1    B1            the upper bytes, what Pillow gives by itself
    as ``RGB;16L``         R0    G0    B0         the lower bytes

Writing: PNG and TIFF, deflated, straight from their specifications.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from faltung.cli._messages import InputError

_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}
_UNPACKED = {f"{mode};16{order}" for mode in ("RGB", "RGBA") for order in "BLN"}


def is_deep_colour(image: ImageFile.ImageFile, path: Path) -> bool:
    """Whether the file holds 16-bit colour or 16-bit gray with alpha, by its own header."""
    if image.format == "PNG":
        with open(path, "rb") as file:
            header = file.read(
                26
            )  # signature 8, chunk length and type 8, width 4, height 4, depth, colour type
        return header[24] == 16 and header[25] in (2, 4, 6)
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (1,))  # type: ignore[attr-defined]
        return len(bits) > 1 and max(bits) > 8
    return False


def read_deep_colour(image: ImageFile.ImageFile, path: Path) -> NDArray[np.uint16]:
    """Return (height, width, 2 | 3 | 4) samples of 16 bits.

    Raises
    ------
    InputError
        When the layout is one that the two decodings do not cover (premultiplied, planar, CMYK).
    """
    raw = {_raw_mode(tile) for tile in image.tile}
    if raw == {"LA;16B"}:  # four bytes a pixel: the plain RGBA unpacker hands them over unchanged
        image.tile = [_with_raw_mode(tile, "RGBA") for tile in image.tile]
        return np.ascontiguousarray(np.asarray(image)).view(">u2").astype(np.uint16)
    if len(raw) != 1 or not raw <= _UNPACKED:
        raise InputError(
            f"{path}: a layout of 16-bit colour that cannot be read without loss; "
            "save it as PNG, or as TIFF with RGB pixels side by side"
        )
    mode = raw.pop()
    upper = np.asarray(image).astype(np.uint16)
    with Image.open(path) as again:
        assert isinstance(again, ImageFile.ImageFile)
        other = mode[:-1] + _OTHER_ORDER[mode[-1]]
        again.tile = [_with_raw_mode(tile, other) for tile in again.tile]
        lower = np.asarray(again)
    joined: NDArray[np.uint16] = upper << 8 | lower
    return joined


def _raw_mode(tile: Any) -> str:
    return str(tile[3] if isinstance(tile[3], str) else tile[3][0])


def _with_raw_mode(tile: Any, mode: str) -> Any:
    return tile._replace(args=mode if isinstance(tile.args, str) else (mode, *tile.args[1:]))


def write_png16(values: NDArray[np.uint16], file: BinaryIO, profile: bytes | None) -> None:
    """Write (height, width) or (height, width, 2 | 3 | 4) samples as a 16-bit PNG."""
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    # filter type 2 ("up"): every byte minus the byte above, modulo 256
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2
    filtered[:1, 1:] = rows[:1]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    if profile:
        _chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
    _chunk(file, b"IDAT", zlib.compress(filtered.tobytes(), 6))
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def write_tiff16(values: NDArray[np.uint16], file: BinaryIO, profile: bytes | None) -> None:
    """Write (height, width) or (height, width, 3 | 4) samples as a little-endian 16-bit TIFF of one strip."""
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    strip = zlib.compress(values.astype("<u2").tobytes(), 6)
    short, long, undefined = 3, 4, 7
    tags: list[tuple[int, int, list[int] | bytes]] = [
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [16] * channels),
        (259, short, [8]),  # deflate
        (262, short, [1 if channels < 3 else 2]),  # black is zero, or RGB
        (273, long, [8]),  # the strip follows the header
        (277, short, [channels]),
        (278, long, [height]),
        (279, long, [len(strip)]),
    ]
    if channels == 4:
        tags.append((338, short, [2]))  # alpha that colours are not multiplied with
    if profile:
        tags.append((34675, undefined, profile))
    strip += b"\0" * (len(strip) % 2)
    directory_at = 8 + len(strip)
    extra_at = directory_at + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for tag, kind, content in tags:
        letter = {short: "H", long: "I"}.get(kind, "B")
        data = struct.pack(f"<{len(content)}{letter}", *content)
        if len(data) > 4:
            where = struct.pack("<I", extra_at + len(extra))
            extra += data + b"\0" * (len(data) % 2)
        else:
            where = data.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, len(content)) + where
    if extra_at + len(extra) >= 2**32:
        raise InputError("the picture is over the 4 GB that a TIFF file can hold; write .npy instead")
    file.write(struct.pack("<2sHI", b"II", 42, directory_at) + strip)
    file.write(struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0) + extra)
