"""`faltung filter` on pictures: every depth comes back as it went in, and what cannot is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from cli_tools import Command, fixture_faltung, refused

Image = pytest.importorskip("PIL.Image", reason="pictures are in the extra [cli]")
__all__ = ["fixture_faltung"]
RNG = np.random.default_rng(7)


def pixels(channels: int, bits: int = 8, shape: tuple[int, int] = (23, 31)) -> np.ndarray:
    size = shape if channels == 1 else (*shape, channels)
    return RNG.integers(0, 2**bits, size, dtype=f"uint{bits}")


def reading(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def png16(path: Path | str, values: np.ndarray, interlaced_by: bytes = b"\0", extra: bytes = b"") -> None:
    """Write 16 bits a sample by the specification alone, with no filter."""
    height, width = values.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if values.ndim == 2 else values.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBB", width, height, 16, kind, 0, 0) + interlaced_by
    parts = [chunk(b"IHDR", header), extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def read_png16(path: str | Path) -> np.ndarray:
    """Read what `write_png16` wrote, again by the specification alone."""
    data = Path(path).read_bytes()
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 16
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[kind]
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 2 * channels * width)
    assert (rows[:, 0] == 2).all()
    raw = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)  # filter "up", undone
    values = np.ascontiguousarray(raw).view(">u2").astype(np.uint16)
    return values.reshape((height, width) if channels == 1 else (height, width, channels))


# ---- what goes in comes out


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp", ".npy"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_eight_bits_round_trip(faltung: Command, channels: int, suffix: str) -> None:
    values = pixels(channels)
    Image.fromarray(values).save("in.png")
    run = faltung("filter", "in.png", "-o", f"out{suffix}", "-k", "0 0 0; 0 1 0; 0 0 0")
    if suffix == ".bmp" and channels in (2, 4):
        refused(run, "alpha", ".png")
        return
    assert (run.status, run.err) == (0, "")
    result = np.load("out.npy") if suffix == ".npy" else reading(f"out{suffix}")
    if suffix == ".webp" and channels < 3:  # WebP knows colour only
        result = result[..., ::3][..., :channels] if channels == 2 else result[..., 0]
    np.testing.assert_array_equal(result, values)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_round_trip(faltung: Command, channels: int, suffix: str) -> None:
    values = pixels(channels, 16)
    png16("in.png", values)
    run = faltung("filter", "in.png", "-o", f"out{suffix}", "-k", "1")
    if channels == 2 and suffix == ".tif":
        refused(run, "gray with alpha", ".png")
        return
    assert (run.status, run.err) == (0, "")
    if suffix == ".tif":  # through faltung's own reader, which the PNG has proved
        assert faltung("filter", "out.tif", "-o", "out.png", "-k", "1").status == 0
    np.testing.assert_array_equal(read_png16("out.png"), values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bit_tiff_of_others(
    faltung: Command, order: Any, compression: str | None, channels: int
) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = pixels(channels, 16)
    tifffile.imwrite(
        "in.tif",
        values,
        byteorder=order,
        compression=compression,
        photometric="minisblack" if channels == 1 else "rgb",
        extrasamples=["unassalpha"] if channels == 4 else None,
    )
    assert faltung("filter", "in.tif", "-o", "out.tif", "-k", "1").status == 0
    np.testing.assert_array_equal(tifffile.imread("out.tif"), values)


def test_sixteen_bits_are_filtered_in_sixteen_bits(faltung: Command) -> None:
    values = pixels(3, 16)
    png16("in.png", values)
    assert faltung("filter", "in.png", "-o", "out.png", "-k", "box:3").status == 0
    mean = fl.convolve(values.astype(np.float64), fl.kernels.box(3), "same", boundary="reflect", axes=(0, 1))
    np.testing.assert_array_equal(read_png16("out.png"), np.rint(mean))


def test_jpeg(faltung: Command) -> None:
    smooth = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    Image.fromarray(np.dstack([smooth, smooth.T, smooth])).save("in.jpg", quality=95)
    assert faltung("filter", "in.jpg", "-o", "out.jpeg", "-k", "box:3").status == 0
    change = reading("in.jpg").astype(int) - reading("out.jpeg")
    assert np.abs(change).mean() < 3


# ---- meaning


def test_colours_are_filtered_apart_and_alpha_is_kept(faltung: Command) -> None:
    values = pixels(4)
    Image.fromarray(values).save("in.png")
    kernel = fl.kernels.gaussian(1.2)
    assert faltung("filter", "in.png", "-o", "out.png", "-k", "gaussian:1.2").status == 0
    result = reading("out.png")
    for channel in range(3):
        colour = values[..., channel].astype(np.float64)
        soft = fl.convolve(colour, kernel, "same", boundary="reflect")
        np.testing.assert_array_equal(result[..., channel], np.rint(soft))
    np.testing.assert_array_equal(result[..., 3], values[..., 3])


@pytest.mark.parametrize("flag", ["convolve", "correlate"])
@pytest.mark.parametrize("taps", ["0 1 0", "1 0 0 0; 0 0 0 0", "0 0; 0 0; 0 1"])
def test_alpha_stays_where_it_was(faltung: Command, taps: str, flag: str) -> None:
    values = np.repeat(pixels(1)[..., None], 2, axis=2)  # gray is its own alpha
    Image.fromarray(values).save("in.png")
    correlate = ["--correlate"] if flag == "correlate" else []
    assert faltung("filter", "in.png", "-o", "same.png", "-k", taps, *correlate).status == 0
    same = reading("same.png")
    for mode in ("full", "valid"):
        assert faltung("filter", "in.png", "-o", "o.png", "-k", taps, "--mode", mode, *correlate).status == 0
        result = reading("o.png")
        small, large = (same, result) if mode == "full" else (result, same)
        rows, columns = (b - a for a, b in zip(small.shape[:2], large.shape[:2], strict=True))
        top, left = (rows // 2, columns // 2) if mode == "full" else ((rows + 1) // 2, (columns + 1) // 2)
        window = large[top : top + small.shape[0], left : left + small.shape[1]]
        np.testing.assert_array_equal(window[..., 1], small[..., 1])


def test_signs_abs_and_offset(faltung: Command) -> None:
    values = pixels(1)
    Image.fromarray(values).save("in.png")
    run = faltung("filter", "in.png", "-o", "plain.png", "-k", "sobel:x")
    assert "% of the values were cut to 0..255" in run.err
    response = fl.convolve(values.astype(int), fl.kernels.sobel(1), "same", boundary="reflect")
    np.testing.assert_array_equal(reading("plain.png"), np.clip(response, 0, 255))
    below, above = 100 * np.mean(response < 0), 100 * np.mean(response > 255)
    assert f"({below:.1f} % below, {above:.1f} % above)" in run.err
    faltung("filter", "in.png", "-o", "abs.png", "-k", "sobel:x", "--abs")
    np.testing.assert_array_equal(reading("abs.png"), np.clip(np.abs(response), 0, 255))
    faltung("filter", "in.png", "-o", "offset.png", "-k", "sobel:x", "--offset", "128")
    np.testing.assert_array_equal(reading("offset.png"), np.clip(response + 128, 0, 255))
    faltung("filter", "in.png", "-o", "wide.npy", "-k", "sobel:x", "--dtype", "float32")
    np.testing.assert_array_equal(np.load("wide.npy"), response)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(faltung: Command, orientation: int, suffix: str) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels(3, shape=(5, 8))).save(f"in{suffix}", exif=exif)
    with Image.open(f"in{suffix}") as image:
        seen = np.asarray(ImageOps.exif_transpose(image))
    assert faltung("filter", f"in{suffix}", "-o", "out.png", "-k", "1").status == 0
    np.testing.assert_array_equal(reading("out.png"), seen)
    with Image.open("out.png") as image:
        assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_colour_profile_is_kept(faltung: Command, suffix: str) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels(3)).save("in.png", icc_profile=profile)
    assert faltung("filter", "in.png", "-o", f"out{suffix}", "-k", "1").status == 0
    with Image.open(f"out{suffix}") as image:
        assert image.info["icc_profile"] == profile


def test_palettes_and_two_levels_are_converted_with_a_reason(faltung: Command) -> None:
    values = pixels(3, shape=(8, 8))
    Image.fromarray(values).quantize(16).save("in.png")
    seen = np.asarray(Image.open("in.png").convert("RGB"))
    run = faltung("filter", "in.png", "-o", "out.png", "-k", "1")
    assert run.status == 0
    assert "palette" in run.err
    assert run.err.count("\n") == 1
    np.testing.assert_array_equal(reading("out.png"), seen)
    Image.fromarray(values[..., 0] > 99).save("bits.png")
    run = faltung("filter", "bits.png", "-o", "out.png", "-k", "box:3")
    assert "two levels" in run.err
    assert reading("out.png").dtype == np.uint8
    Image.fromarray(values).quantize(16).save("in.gif", transparency=3)
    assert faltung("filter", "in.gif", "-o", "out.png", "-k", "1").status == 0
    assert reading("out.png").shape == (8, 8, 4)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour_becomes_alpha(faltung: Command, bits: int) -> None:
    values = pixels(3, bits)
    if bits == 16:
        key = struct.pack(">4sHHH", b"tRNS", *map(int, values[2, 3]))
        png16("in.png", values, extra=struct.pack(">I", 6) + key + struct.pack(">I", zlib.crc32(key)))
    else:
        Image.fromarray(values).save("in.png", transparency=tuple(map(int, values[2, 3])))
    assert faltung("filter", "in.png", "-o", "out.png", "-k", "1").status == 0
    result = read_png16("out.png") if bits == 16 else reading("out.png")
    np.testing.assert_array_equal(result[..., :3], values)
    assert result[2, 3, 3] == 0
    assert np.count_nonzero(result[..., 3] == 0) == np.count_nonzero((values == values[2, 3]).all(-1))


# ---- refusals


def test_bombs_are_refused(faltung: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((300, 400), np.uint8)).save("in.png")
    for limit in (100_000, 50_000):  # Pillow warns beyond the limit and raises beyond twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        run = faltung("filter", "in.png", "-o", "out.png", "-k", "1")
        refused(run, "120,000 pixels", f"limit of {limit:,}", "--max-pixels 120000")
        assert not Path("out.png").exists()
    assert faltung("filter", "in.png", "-o", "out.png", "-k", "1", "--max-pixels", "120000").status == 0
    refused(faltung("filter", "in.png", "-o", "o.png", "-k", "1", "--max-pixels", "9"), "limit of 9")
    assert Image.MAX_IMAGE_PIXELS == 50_000


def broken_files() -> None:
    """Write pictures that must be refused."""
    Image.fromarray(pixels(3)).save("rgb.png")
    Image.fromarray(pixels(4)).save("rgba.png")
    png16("deep.png", pixels(1, 16))
    Path("text.png").write_text("no picture")
    Path("empty.png").write_bytes(b"")
    Path("cut.png").write_bytes(Path("rgb.png").read_bytes()[:-300])
    Image.fromarray(pixels(4)).convert("RGB").convert("CMYK").save("cmyk.jpg")
    Image.fromarray(pixels(1).astype(np.float32)).save("float.tif")
    Image.fromarray(pixels(1).astype(np.int32)).save("int.tif")
    first = Image.fromarray(pixels(3))
    first.save("pages.tif", save_all=True, append_images=[Image.fromarray(pixels(3))])
    Path("deep.ppm").write_bytes(b"P6 2 1 65535\n" + bytes(12))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["text.png", "-o", "o.png"], ["text.png", "not a picture"]),
        (["empty.png", "-o", "o.png"], ["empty.png", "not a picture"]),
        (["cut.png", "-o", "o.png"], ["cut.png", "broken"]),
        (["cmyk.jpg", "-o", "o.png"], ["CMYK", "RGB"]),
        (["float.tif", "-o", "o.png"], ["floats of 32 bits", ".npy"]),
        (["int.tif", "-o", "o.png"], ["32 bits"]),
        (["pages.tif", "-o", "o.png"], ["2 pictures"]),
        (["deep.ppm", "-o", "o.png"], ["255", "PNG"]),
        (["rgb.png", "-o", "o.gif"], [".gif", ".png"]),
        (["rgb.png", "-o", "o"], ["no suffix"]),
        (["rgb.png", "-o", "o.pgm"], ["gray", ".ppm"]),
        (["rgba.png", "-o", "o.jpg"], ["alpha", ".png"]),
        (["deep.png", "-o", "o.jpg"], ["16 bits", ".png"]),
        (["rgb.png", "-o", "o.png", "--dtype", "float32"], ["--dtype", ".npy"]),
        (["rgb.png", "-o", "o.png", "--axes", "0"], ["--axes", ".npy"]),
    ],
    ids=lambda value: " ".join(value) if "-o" in value else "",
)
def test_wrong_pictures(faltung: Command, words: list[str], said: list[str]) -> None:
    broken_files()
    before = sorted(path.name for path in Path().iterdir())
    refused(faltung("filter", *words, "-k", "box:3"), *said)
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_failing_encoder_leaves_the_old_picture(faltung: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(pixels(3)).save("a.png")
    old = Path("a.png").read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("encoder error")

    monkeypatch.setattr(Image.Image, "save", fail)
    refused(faltung("filter", "a.png", "-o", "a.png", "-k", "box:3"), "encoder error")
    assert Path("a.png").read_bytes() == old
    assert [path.name for path in Path().iterdir()] == ["a.png"]
