"""`faltung filter` on WAV sound: every width comes back as it went in, filtered along time."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

import faltung as fl
from cli_tools import Command, fixture_faltung, refused

__all__ = ["fixture_faltung"]
RNG = np.random.default_rng(11)
TIME = np.arange(700)


def sound(kind: str, channels: int) -> np.ndarray:
    tone = np.stack([np.sin(TIME / (9 + channel)) for channel in range(channels)], axis=1).squeeze()
    if kind.startswith("float"):
        return tone.astype(kind)
    if kind == "uint8":
        return (128 + 100 * tone).astype(np.uint8)
    return (0.7 * np.iinfo(kind).max * tone).astype(kind)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "float64"])
def test_round_trip(faltung: Command, kind: str, channels: int) -> None:
    values = sound(kind, channels)
    wavfile.write("in.wav", 22_050, values)
    run = faltung("filter", "in.wav", "-o", "out.wav", "-k", "1")
    assert (run.status, run.err) == (0, "")
    rate, result = wavfile.read("out.wav")
    assert rate == 22_050
    assert result.dtype == values.dtype
    np.testing.assert_array_equal(result, values)


def write24(path: str, raw: bytes, channels: int) -> None:
    with wave.open(path, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(3)
        file.setframerate(48_000)
        file.writeframes(raw)


@pytest.mark.parametrize("channels", [1, 2])
def test_24_bits(faltung: Command, channels: int) -> None:
    write24("in.wav", RNG.integers(0, 256, 6 * 500, dtype=np.uint8).tobytes(), channels)
    assert faltung("filter", "in.wav", "-o", "out.wav", "-k", "1").status == 0
    assert Path("out.wav").read_bytes() == Path("in.wav").read_bytes()
    run = faltung("filter", "in.wav", "-o", "out.wav", "-k", "3")
    assert "cut to -8388608..8388607" in run.err
    _, before = wavfile.read("in.wav")
    _, after = wavfile.read("out.wav")
    expected = np.clip(3 * (before.astype(np.int64) >> 8), -(2**23), 2**23 - 1)
    np.testing.assert_array_equal(after >> 8, expected)


def test_channels_are_filtered_along_time(faltung: Command) -> None:
    values = sound("int16", 2)
    wavfile.write("in.wav", 8000, values)
    assert faltung("filter", "in.wav", "-o", "out.wav", "-k", "gaussian:2").status == 0
    kernel = fl.kernels.gaussian(2, ndim=1)
    _, result = wavfile.read("out.wav")
    for channel in range(2):
        soft = fl.convolve(values[:, channel].astype(np.float64), kernel, "same", boundary="reflect")
        np.testing.assert_array_equal(result[:, channel], np.rint(soft))


def test_silence_of_eight_bits_is_128(faltung: Command) -> None:
    wavfile.write("in.wav", 8000, np.full(50, 138, np.uint8))
    assert faltung("filter", "in.wav", "-o", "out.wav", "-k", "-2").status == 0
    assert set(wavfile.read("out.wav")[1]) == {108}
    assert faltung("filter", "in.wav", "-o", "out.wav", "-k", "1 1", "--boundary", "constant").status == 0
    assert wavfile.read("out.wav")[1][0] == 138
    assert faltung("filter", "in.wav", "-o", "out.npy", "-k", "1").status == 0
    assert set(np.load("out.npy")) == {10}


def test_modes_change_the_length(faltung: Command) -> None:
    wavfile.write("in.wav", 8000, sound("float32", 2))
    for mode, length in (("full", 706), ("valid", 694), ("same", 700)):
        assert faltung("filter", "in.wav", "-o", "out.wav", "-k", "box:7", "--mode", mode).status == 0
        assert wavfile.read("out.wav")[1].shape == (length, 2)


def header(kind: int, bits: int, data: bytes = bytes(80)) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, 1, 8000, 8000 * bits // 8, max(1, bits // 8), bits)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (b"nothing of the kind", ["-o", "o.wav", "-k", "1"], ["not a WAV file"]),
        (b"", ["-o", "o.wav", "-k", "1"], ["not a WAV file"]),
        (header(1, 16)[:20], ["-o", "o.wav", "-k", "1"], ["without a format"]),
        (header(1, 16)[:36], ["-o", "o.wav", "-k", "1"], ["broken"]),
        (header(7, 8), ["-o", "o.wav", "-k", "1"], ["mu-law", "PCM"]),
        (header(85, 16), ["-o", "o.wav", "-k", "1"], ["MP3", "PCM"]),
        (header(1, 64), ["-o", "o.wav", "-k", "1"], ["64 bits"]),
        (header(1, 16, b""), ["-o", "o.wav", "-k", "1"], ["empty"]),
        (header(1, 16), ["-o", "o.mp3", "-k", "1"], [".mp3", ".wav"]),
        (header(1, 16), ["-o", "o.wav", "-k", "1", "--dtype", "float32"], ["--dtype", ".npy"]),
        (header(1, 16), ["-o", "o.wav", "-k", "1; 2"], ["2 axes"]),
        (header(1, 16), ["-o", "o.wav", "-k", "sobel:y"], ["sobel:x"]),
    ],
    ids=[
        "text", "empty file", "no format", "no data", "mu-law", "MP3", "64 bits", "no samples", "suffix",
        "dtype", "two rows", "axis",
    ],
)  # fmt: skip
def test_wrong_sounds(faltung: Command, content: bytes, words: list[str], said: list[str]) -> None:
    Path("in.wav").write_bytes(content)
    refused(faltung("filter", "in.wav", *words), *said)
    assert [path.name for path in Path().iterdir()] == ["in.wav"]
