"""Pictures by Pillow: 8 and 16 bits a sample, gray or colour; alpha is kept as it was.

Decisions
- An EXIF orientation is applied to the pixels, so that x and y mean what the viewer sees; the result carries
  no orientation tag. The colour profile is kept, all other metadata is dropped.
- Samples are filtered as stored (gamma-encoded), as image editors do.
- Nothing is cut to 8 bits on the way in: 16-bit colour is read by `_deep`, what cannot be read exactly is
  refused.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from faltung.cli._deep import is_deep_colour, read_deep_colour, write_png16, write_tiff16
from faltung.cli._messages import InputError, note
from faltung.cli._samples import Margins, result_limits

READABLE = ("PNG", "TIFF", "JPEG", "BMP", "WEBP", "GIF", "PPM")
SUFFIXES = {
    ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG",
    ".bmp": "BMP", ".webp": "WEBP", ".pgm": "PPM", ".ppm": "PPM",
}  # fmt: skip
_OPTIONS: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_deflate"},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}


@dataclass(frozen=True)
class Picture:
    """A picture: `values` is (height, width) or (height, width, 3); `alpha` is (height, width) or None."""

    values: NDArray[Any]
    alpha: NDArray[Any] | None
    profile: bytes | None
    dtype: np.dtype[Any]
    axes: tuple[int, ...] = (0, 1)

    @property
    def limits(self) -> tuple[int, int] | None:
        return result_limits(self.dtype)

    def check_output(self, suffix: str) -> None:
        if suffix == ".npy":
            return
        if suffix not in SUFFIXES:
            raise InputError(
                f"`-o` ends in {suffix or 'no suffix'!r} but a picture is written as "
                f"{', '.join(sorted(SUFFIXES))} or .npy"
            )
        if self.dtype != self.values.dtype:
            raise InputError(f"`--dtype` (={self.dtype}) is for .npy: a picture keeps {self.values.dtype}")
        kind = SUFFIXES[suffix]
        if self.values.dtype == np.uint16 and kind not in ("PNG", "TIFF"):
            raise InputError(f"a {suffix} file cannot hold 16 bits a sample; write .png, .tif or .npy")
        if (
            self.values.dtype == np.uint16
            and kind == "TIFF"
            and self.alpha is not None
            and self.values.ndim == 2
        ):
            raise InputError("few programs read a TIFF of 16-bit gray with alpha; write .png or .npy")
        if self.alpha is not None and kind in ("JPEG", "PPM", "BMP"):
            raise InputError(
                f"a {suffix} file cannot hold the alpha channel; write .png, .tif, .webp or .npy"
            )
        if suffix == ".pgm" and self.values.ndim == 3:
            raise InputError("a .pgm file holds gray only; write .ppm or .png")

    def write(self, result: NDArray[Any], file: BinaryIO, suffix: str, margins: Margins) -> None:
        if self.alpha is not None:
            alpha = _moved(self.alpha, margins).astype(result.dtype)
            result = np.dstack([result, alpha])
        if suffix == ".npy":
            np.save(file, result, allow_pickle=False)
        elif result.dtype == np.uint16:
            (write_png16 if SUFFIXES[suffix] == "PNG" else write_tiff16)(result, file, self.profile)
        else:
            mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[1 if result.ndim == 2 else result.shape[2]]
            height, width = result.shape[:2]
            image = Image.frombytes(mode, (width, height), np.ascontiguousarray(result).tobytes())
            options = _OPTIONS.get(SUFFIXES[suffix], {})
            image.save(file, SUFFIXES[suffix], icc_profile=self.profile, **options)


def read_picture(path: Path, dtype: np.dtype[Any] | None, max_pixels: int | None) -> Picture:
    """Read a picture without losing a bit, or raise `InputError`."""
    with _guarded(path, max_pixels), Image.open(path, formats=READABLE) as image:
        _refuse_unreadable(image, path)
        if is_deep_colour(image, path):
            pixels: NDArray[Any] = read_deep_colour(image, path)
        else:
            pixels = _pixels(image, path)
        if image.mode in ("L", "RGB", "I;16") and image.info.get("transparency") is not None:
            pixels = _with_alpha(pixels, image.info["transparency"])
        pixels = _upright(pixels, image.getexif().get(0x0112, 1))
        profile = image.info.get("icc_profile")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    alpha = pixels[..., -1] if channels in (2, 4) else None
    values = pixels[..., 0] if channels == 2 else pixels[..., :3] if channels == 4 else pixels
    return Picture(np.ascontiguousarray(values), alpha, profile, dtype or values.dtype)


def _refuse_unreadable(image: ImageFile.ImageFile, path: Path) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a phone's JPEG whose other pictures are previews
        raise InputError(f"{path}: holds {frames} pictures; split it and filter one at a time")
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits, sample_format = tags.get(258, (1,)), tags.get(339, (1,))
        if max(bits) not in (1, 2, 4, 8, 16) or set(sample_format) - {1, 4}:
            kind = {2: "signed integers", 3: "floats"}.get(sample_format[0], "samples")
            raise InputError(f"{path}: holds {kind} of {max(bits)} bits; save it as 8 or 16 bit, or as .npy")
        if max(bits) == 16 and tags.get(262) == 0:
            raise InputError(f"{path}: 16-bit gray in which white is zero; save it with black as zero")
    if image.format == "PPM" and image.mode != "1":
        arguments = image.tile[0][3]
        depth = arguments[1] if isinstance(arguments, tuple) else 255
        if image.mode not in ("L", "RGB") or depth != 255:
            raise InputError(f"{path}: a PNM picture whose largest value is not 255; save it as PNG")


def _pixels(image: ImageFile.ImageFile, path: Path) -> NDArray[Any]:
    """Decode a picture of 8 bits a sample, or of 16 bits gray."""
    if image.mode in ("P", "PA"):
        opaque = image.mode == "P" and image.info.get("transparency") is None
        picture = image.convert("RGB" if opaque else "RGBA")
        note(f"{path}: palette indices cannot be averaged, so it is filtered and written as {picture.mode}")
        return np.asarray(picture)
    if image.mode == "1":
        note(
            f"{path}: two levels cannot hold a filtered picture, so it is filtered and written as 8-bit gray"
        )
        return np.asarray(image.convert("L"))
    if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L"):
        raise InputError(
            f"{path}: a picture of kind {image.mode}; convert it to 8 or 16 bit gray or RGB first"
        )
    pixels = np.asarray(image)
    if pixels.dtype.itemsize == 2:
        pixels = pixels.astype(np.uint16)  # in the byte order of this machine
    return pixels


def _with_alpha(pixels: NDArray[Any], transparent: Any) -> NDArray[Any]:
    """Turn PNG's one transparent colour, which filtering would smear, into an alpha channel."""
    colour = np.asarray(transparent)
    hidden = (pixels == colour).all(axis=-1) if pixels.ndim == 3 else pixels == colour
    alpha = np.where(hidden, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    return np.dstack([pixels, alpha])


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation (1 to 8; anything else counts as 1)."""
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    turned = np.rot90(pixels, turns)
    if orientation in (2, 4):
        return turned[:, ::-1]
    return turned[::-1] if orientation in (5, 7) else turned


def _moved(alpha: NDArray[Any], margins: Margins) -> NDArray[Any]:
    """Crop or extend (transparent) as the filtered picture shrank or grew."""
    grown = np.pad(alpha, [(max(0, before), max(0, after)) for before, after in margins])
    return grown[tuple(slice(max(0, -before), size - max(0, -after))
                       for (before, after), size in zip(margins, grown.shape, strict=True))]  # fmt: skip


@contextmanager
def _guarded(path: Path, max_pixels: int | None) -> Iterator[None]:
    """Turn everything that Pillow raises for a bad file into one line, and its bomb warning into an error."""
    default = Image.MAX_IMAGE_PIXELS
    limit = default if max_pixels is None else max_pixels
    Image.MAX_IMAGE_PIXELS = limit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        pixels = next((int(word) for word in str(error).replace("(", " ").split() if word.isdigit()), 0)
        raise InputError(
            f"{path}: {pixels:,} pixels, over the limit of {limit:,} that guards against decompression "
            f"bombs; if you trust the file, add --max-pixels {pixels}"
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not a picture that can be read ({', '.join(READABLE)})") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise InputError(f"{path}: broken picture: {error}") from error
    except (SyntaxError, ValueError, EOFError, struct.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: broken picture: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = default
