"""Random weights for the layers of a CTranslate2 specification, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 1 << 18


class Random:
    """Random weights from raw 64-bit numbers of PCG64, each cut into four of 16 bits."""

    def __init__(self, seed: int):
        import numpy

        self._numpy = numpy
        self._bits = numpy.random.PCG64(seed)
        self._tables: dict[float, np.ndarray] = {}

    def weights(self, deviation: float, *shape: int) -> np.ndarray:
        """Uniformly distributed around 0 with this standard deviation, float16.

        Numbers 2j and 2j + 1 have opposite signs.
        """
        numpy = self._numpy
        count = 1
        for length in shape:
            count *= length
        raw = self._bits.random_raw((count + 3) // 4).astype("<u8", copy=False)
        pairs = raw.view("<u4")  # number 2j in the lower half, 2j + 1 above it; bit 15 is a sign
        indices = raw.view("<u2")[:count]
        table = self._table(deviation)
        result: np.ndarray = numpy.empty(count, numpy.float16)
        for first in range(0, count, _CHUNK):  # `take` makes indices of 8 bytes from those of 2
            pair = pairs[first // 2 : (first + _CHUNK) // 2]
            pair[:] = (pair & 0x7FFFFFFF) | ((~pair & 0x8000) << 16)
            part = slice(first, first + _CHUNK)
            numpy.take(table, indices[part], out=result[part], mode="clip")
        return result.reshape(shape)

    def _table(self, deviation: float) -> np.ndarray:
        """The float16 weight for each of the 65536 patterns of 16 bits, read as signed numbers.

        They are looked up because converting each weight would take ten times as long: many are
        subnormal in float16.
        """
        numpy = self._numpy
        if deviation not in self._tables:
            values = numpy.arange(-32768, 32768, dtype=numpy.float32) + numpy.float32(0.5)
            values *= numpy.float32(deviation * 3**0.5 / 32768)
            self._tables[deviation] = numpy.roll(values, 32768).astype(numpy.float16)
        return self._tables[deviation]

    def choice(self, items: Sequence[int]) -> int:
        """One of the items."""
        return int(items[int(self._bits.random_raw()) % len(items)])


class Layers:
    """Fills the layers of a CTranslate2 specification with random weights."""

    def __init__(self, width: int, random: Random):
        self.width = width
        self.random = random
        self.inner = width**-0.5  # keeps the size of what goes in
        self.outer = 0.1 / width  # keeps branches small beside the residual stream

    def linear(self, spec: Any, rows: int, columns: int, deviation: float) -> None:
        """A matrix of this shape and a bias."""
        spec.weight = self.random.weights(deviation, rows, columns)
        spec.bias = self.random.weights(1e-3, rows)

    def norm(self, spec: Any, gain: float = 1.0) -> None:
        """A layer norm. Not exactly `gain` and 0: CTranslate2 would alias equal arrays."""
        gamma = 1 + self.random.weights(1e-3, self.width).astype("float32")
        spec.gamma = (gain * gamma).astype("float16")
        spec.beta = self.random.weights(1e-4, self.width)

    def convolution(self, spec: Any, channels: int) -> None:
        """A convolution of kernel size 3 from this many channels."""
        spec.weight = self.random.weights((channels * 3) ** -0.5, self.width, channels, 3)
        spec.bias = self.random.weights(1e-3, self.width)

    def attention(self, spec: Any, cross: bool = False) -> None:
        """Self-attention (query, key and value in one matrix) or cross-attention (query apart)."""
        self.norm(spec.layer_norm)
        rows = (1, 2, 1) if cross else (3, 1)
        for matrix, (layer, factor) in enumerate(zip(spec.linear, rows, strict=True), start=1):
            deviation = self.outer if matrix == len(rows) else self.inner
            self.linear(layer, factor * self.width, self.width, deviation)

    def feed_forward(self, spec: Any) -> None:
        """Two matrices with four times the width between them."""
        self.norm(spec.layer_norm)
        self.linear(spec.linear_0, 4 * self.width, self.width, self.inner)
        self.linear(spec.linear_1, self.width, 4 * self.width, self.outer / 2)
