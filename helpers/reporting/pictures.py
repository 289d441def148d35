"""Pictures: a drawn chart as a small lossless WebP of few colours."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A chart has few colours: so many keep its edges sharp at half the size that lossy compression would need.
COLOURS = 64
MOST_COLOURS = 256
# Largest distance (of three channels of 256) between a colour and the one that stands for it: no mark loses its own.
FAR = 48
CHANNELS = np.array([0, 8, 16])


def webp(pixels: NDArray) -> bytes:
    """A picture as WebP.

    What a general quantiser takes most of its time for, counting colours, is quick here: a chart has hundreds, not
    hundreds of thousands. The most frequent ones are kept as they are; the shades of blurred edges become the nearest.

    Args:
        pixels: RGBA, shape (height, width, 4), of bytes; opaque.
    """
    from PIL import Image

    packed = (np.ascontiguousarray(pixels).view("<u4")[..., 0] & 0xFFFFFF).ravel()
    # Most of a chart is runs of one colour: what is done once a run is not done once a pixel.
    starts = np.flatnonzero(np.diff(packed, prepend=~packed[:1]))
    lengths = np.diff(starts, append=packed.size)
    found, run = np.unique(packed[starts], return_inverse=True)
    colours = (found[:, None] >> CHANNELS & 0xFF).astype(np.int32)
    kept = _kept(colours, np.bincount(run, weights=lengths))
    nearest = _distances(colours, colours[kept]).argmin(axis=1).astype(np.uint8)
    picture = Image.fromarray(np.repeat(nearest[run], lengths).reshape(pixels.shape[:2]))
    picture.putpalette(colours[kept].astype(np.uint8).tobytes())
    stream = io.BytesIO()
    # More effort takes three times as long for the same size.
    picture.convert("RGB").save(stream, "WEBP", lossless=True, quality=25, method=3)
    return stream.getvalue()


def _kept(colours: NDArray, counts: NDArray) -> NDArray:
    """Places of the colours that stay: the most frequent, and any that none of them comes near."""
    kept = np.argsort(-counts, kind="stable")[:COLOURS]
    nearest = _distances(colours, colours[kept]).min(axis=1)
    while len(kept) < MOST_COLOURS and nearest.max() > FAR**2:
        kept = np.append(kept, nearest.argmax())
        nearest = np.minimum(nearest, _distances(colours, colours[kept[-1:]])[:, 0])
    return kept


def _distances(some: NDArray, others: NDArray) -> NDArray:
    """Squared distances between colours, shape (some, others)."""
    # A channel at a time: an array of all differences, three channels deep, takes twice as long.
    found: NDArray = sum(np.subtract.outer(some[:, channel], others[:, channel]) ** 2 for channel in range(3))
    return found
