"""Integer shape arithmetic along one axis: the only place where sizes are computed.

Symbols, here and in every message: N input size, K taps, S stride, D dilation, (lo, hi) padding before and
after, P_out output padding. A window of K taps spaced D apart spans D(K-1)+1 samples.

Everything is a plain int and nothing of ours is imported. Callers check what users pass; the errors raised
here are for programming mistakes only.
"""

from __future__ import annotations

from math import gcd
from typing import Final

MODES: Final = ("full", "same", "valid")
BOUNDARIES: Final = ("constant", "edge", "reflect", "symmetric", "wrap")
PADDING_WORDS: Final = ("valid", "same", "same_lower", "full", "causal")


def effective_size(taps: int, dilation: int) -> int:
    """Samples that a window spans: D(K-1)+1."""
    return dilation * (taps - 1) + 1


def output_size(size: int, taps: int, stride: int, lo: int, hi: int, dilation: int) -> int:
    """Windows that fit: floor((N + lo + hi - D(K-1) - 1) / S) + 1, and 0 when not even one fits."""
    last_start = size + lo + hi - effective_size(taps, dilation)
    return last_start // stride + 1 if last_start >= 0 else 0


def transposed_output_size(
    size: int, taps: int, stride: int, lo: int, hi: int, dilation: int, output_padding: int
) -> int:
    """Size after a transposed convolution: (N - 1)S - lo - hi + D(K-1) + P_out + 1; padding crops."""
    return (size - 1) * stride - lo - hi + effective_size(taps, dilation) + output_padding


def adjoint_output_padding(size: int, taps: int, stride: int, lo: int, hi: int, dilation: int) -> int:
    """The P_out with which the transpose of this convolution returns to size N.

    The last window may leave some samples unseen: (N + lo + hi - D(K-1) - 1) mod S of them.
    """
    return (size + lo + hi - effective_size(taps, dilation)) % stride


def transposed_index(i: int, tap: int, size: int, stride: int, dilation: int, lo: int) -> int | None:
    """The sample that reaches output `i` of a transposed convolution by a tap; None where there is none."""
    sample, rest = divmod(i + lo - tap * dilation, stride)
    return sample if not rest and 0 <= sample < size else None


def zero_insertion_padding(
    taps: int, lo: int, hi: int, dilation: int, output_padding: int
) -> tuple[int, int]:
    """Padding that makes a transposed convolution an ordinary one.

    Insert S-1 zeros between the samples, pad by D(K-1) - lo and D(K-1) - hi + P_out (negative: crop), and
    convolve with stride 1, that is, with the kernel flipped.
    """
    reach = dilation * (taps - 1)
    return reach - lo, reach - hi + output_padding


def mode_padding(mode: str, taps: int, dilation: int, anchor: int | None, flip: bool) -> tuple[int, int]:
    """Padding (lo, hi) of an array operation.

    full reaches D(K-1) samples beyond each end and valid none. same puts the anchor's tap on the output's own
    position; seen as a correlation, a flipped kernel (convolve) has its anchor at K-1-anchor:

        convolve   y[i] = sum_j a[i - D(j - anchor)] k[j]     lo = D(K - 1 - anchor)
        correlate  y[i] = sum_j a[i + D(j - anchor)] k[j]     lo = D anchor

    The default anchors, (K-1)//2 and K//2, give lo = D(K//2) in both: SciPy's centre.
    """
    reach = dilation * (taps - 1)
    if mode == "full":
        return reach, reach
    if mode == "valid":
        return 0, 0
    if mode != "same":
        raise ValueError(f"mode {mode!r} is none of {MODES}")
    if anchor is None:
        lo = dilation * (taps // 2)
    else:
        lo = dilation * (taps - 1 - anchor if flip else anchor)
    return lo, reach - lo


def word_padding(word: str, size: int, taps: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding (lo, hi) that a word means for a layer whose (forward) input has `size` samples.

    same keeps ceil(N/S) windows and puts the odd sample of padding at the end (ONNX SAME_UPPER, TensorFlow),
    same_lower at the start; causal lets no output see a later sample. For a transposed convolution `size` is
    its output: see `same_transposed_size`.
    """
    reach = dilation * (taps - 1)
    if word == "valid":
        return 0, 0
    if word == "full":
        return reach, reach
    if word == "causal":
        return reach, 0
    if word not in ("same", "same_lower"):
        raise ValueError(f"padding {word!r} is none of {PADDING_WORDS}")
    windows = -(-size // stride)
    total = max((windows - 1) * stride + reach + 1 - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if word == "same" else (large, small)


def same_transposed_size(size: int, stride: int) -> int:
    """Output of a transposed convolution under same: N S, the largest size whose forward same gives N."""
    return size * stride


def boundary_index(i: int, size: int, boundary: str) -> int | None:
    """The sample that stands at position `i` of an array extended beyond its ends; None for the fill value.

    The index maps of `numpy.pad`, repeated as often as needed; a single sample repeats itself:

        constant   . . . | a b c d | . . .
        edge       a a a | a b c d | d d d
        reflect    d c b | a b c d | c b a
        symmetric  c b a | a b c d | d c b
        wrap       b c d | a b c d | a b c
    """
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary {boundary!r} is none of {BOUNDARIES}")
    if 0 <= i < size:
        return i
    if boundary == "constant":
        return None
    if boundary == "edge":
        return 0 if i < 0 else size - 1
    if boundary == "wrap":
        return i % size
    if boundary == "symmetric":
        phase = i % (2 * size)
        return min(phase, 2 * size - 1 - phase)
    if size == 1:
        return 0
    phase = i % (2 * size - 2)
    return min(phase, 2 * size - 2 - phase)


def overlaps(taps: int, stride: int, dilation: int) -> bool:
    """Whether the contributions of a transposed convolution overlap: S / gcd(S, D) <= K - 1.

    Input i and tap h land on iS + hD; two pairs meet when they differ by D/gcd inputs and S/gcd taps.
    """
    return stride // gcd(stride, dilation) <= taps - 1


def touched_size(size: int, taps: int, stride: int, dilation: int) -> int:
    """Positions that a transposed convolution writes before it crops: the number of distinct iS + hD.

    Of the N K pairs (i, h), each with a partner (i + D/g, h - S/g), g = gcd(S, D), repeats a position.
    """
    common = gcd(stride, dilation)
    repeated = max(size - dilation // common, 0) * max(taps - stride // common, 0)
    return size * taps - repeated


def meeting_taps(taps: int, stride: int, dilation: int) -> int:
    """The most taps of a transposed convolution that reach one output: every S/gcd(S, D)-th."""
    return (taps - 1) // (stride // gcd(stride, dilation)) + 1


def contributions(
    outputs: int, size: int, taps: int, stride: int, lo: int, dilation: int, transposed: bool
) -> tuple[int, ...]:
    """Pairs of a sample and a tap that meet in each of the outputs, terms outside the input left out.

    Transposed, input i and tap h meet in output iS + hD - lo; else output j and tap h in
    sample jS + hD - lo.
    """
    counts = [0] * outputs
    for tap in range(taps):
        offset = tap * dilation - lo
        if transposed:
            met = range(max(0, -(offset // stride)), size)
            found = (i * stride + offset for i in met if i * stride + offset < outputs)
        else:
            met = range(max(0, -(offset // stride)), outputs)
            found = (j for j in met if j * stride + offset < size)
        for output in found:
            counts[output] += 1
    return tuple(counts)


def even(taps: int, stride: int, dilation: int) -> bool:
    """Whether all inner outputs of a transposed convolution get equally many contributions.

    The taps that reach output j have hD = j + lo (mod S): every j finds one only where gcd(S, D) = 1, and
    then they lie S apart, so that K must be a multiple of S.
    """
    return gcd(stride, dilation) == 1 and taps % stride == 0


def receptive_field(taps: int, stride: int, dilation: int, transposed: bool) -> int:
    """Extent of the input that one output sample sees, wherever it sees most.

    D(K-1)+1 for a convolution. In a transposed one, the taps that reach the same output lie S/g apart
    (g = gcd(S, D)) and come from inputs D/g apart.
    """
    if not transposed:
        return effective_size(taps, dilation)
    return (meeting_taps(taps, stride, dilation) - 1) * (dilation // gcd(stride, dilation)) + 1
