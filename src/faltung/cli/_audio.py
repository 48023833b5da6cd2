"""WAV sound: 8, 16, 24 and 32-bit integers, 32 and 64-bit floats; every channel is filtered along time."""

from __future__ import annotations

import io
import struct
import warnings
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from faltung.cli._messages import InputError
from faltung.cli._samples import Margins, result_limits

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_OTHERS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x55: "MP3"}


@dataclass(frozen=True)
class Sound:
    """A sound: `values` is (samples,) or (samples, channels), centred on zero; `bits` as in the file."""

    values: NDArray[Any]
    rate: int
    bits: int
    dtype: np.dtype[Any]
    axes: tuple[int, ...] = (0,)

    @property
    def limits(self) -> tuple[int, int] | None:
        if self.dtype != self.values.dtype or self.dtype.kind == "f":
            return result_limits(self.dtype)
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    def check_output(self, suffix: str) -> None:
        if suffix not in (".wav", ".npy"):
            raise InputError(f"`-o` ends in {suffix or 'no suffix'!r} but a sound is written as .wav or .npy")
        if suffix == ".wav" and self.dtype != self.values.dtype:
            raise InputError(f"`--dtype` (={self.dtype}) is for .npy: a sound keeps its {self.bits} bits")

    def write(self, result: NDArray[Any], file: BinaryIO, suffix: str, margins: Margins) -> None:
        if suffix == ".npy":
            np.save(file, result, allow_pickle=False)
            return
        if result.nbytes >= 2**32 - 2**16:
            raise InputError("the sound is over the 4 GB that a WAV file can hold; write .npy instead")
        if result.dtype.kind == "f":
            from scipy.io import wavfile

            whole = io.BytesIO()  # SciPy closes what it is given
            wavfile.write(whole, self.rate, result)
            file.write(whole.getbuffer())
            return
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1 if result.ndim == 1 else result.shape[1])
            sound.setsampwidth(self.bits // 8)
            sound.setframerate(self.rate)
            sound.writeframes(_packed(result, self.bits))


def read_sound(path: Path, dtype: np.dtype[Any] | None) -> Sound:
    """Read a WAV file, or raise `InputError`."""
    kind, bits = _format(path)
    if kind not in (_PCM, _FLOAT):
        name = _OTHERS.get(kind, f"format {kind}")
        raise InputError(f"{path}: {name}-coded sound; convert it to PCM (uncompressed) WAV first")
    if (kind, bits) not in {(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)}:
        raise InputError(f"{path}: {bits} bits a sample; convert it to 8, 16, 24 or 32-bit PCM or to float")
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", wavfile.WavFileWarning
            )  # chunks of other programs, a short last one
            rate, values = wavfile.read(path)
    except (ValueError, EOFError, struct.error, ZeroDivisionError) as error:
        raise InputError(f"{path}: broken sound: {error}") from error
    if values.dtype == np.uint8:  # 8-bit WAV is unsigned, silence is 128
        values = (values.astype(np.int16) - 128).astype(np.int8)
    elif bits == 24:  # SciPy puts the 24 bits on top
        values = values >> 8
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    return Sound(values, int(rate), bits, dtype or values.dtype)


def _format(path: Path) -> tuple[int, int]:
    """Return the sample format and the bits a sample from the ``fmt`` chunk."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX", b"RF64") or head[8:12] != b"WAVE":
            raise InputError(f"{path}: not a WAV file")
        order = ">" if head[:4] == b"RIFX" else "<"
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack(f"{order}4sI", chunk)
            if name == b"fmt ":
                data = file.read(min(size, 40))
                if len(data) < 16:
                    break
                kind, bits = struct.unpack(f"{order}H12xH", data[:16])
                if kind == _EXTENSIBLE and len(data) >= 26:
                    (kind,) = struct.unpack(f"{order}H", data[24:26])
                return kind, bits
            file.seek(size + size % 2, 1)
    raise InputError(f"{path}: a WAV file without a format; it is broken")


def _packed(samples: NDArray[Any], bits: int) -> bytes:
    """Return signed samples as the little-endian bytes of a WAV file."""
    if bits == 8:
        return (samples.astype(np.int16) + 128).astype(np.uint8).tobytes()
    if bits == 24:
        quads = samples.astype("<i4").reshape(-1, 1).view(np.uint8)
        return np.ascontiguousarray(quads[:, :3]).tobytes()
    return samples.astype(f"<i{bits // 8}").tobytes()
