"""Charts as small pictures: lossless but for shades, and no mark loses its colour."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from helpers.reporting import figures, pictures
from helpers.reporting.tokens import themes


def _pixels(shape=(60, 80)):
    pixels = np.full((*shape, 4), 255, dtype=np.uint8)
    pixels[..., :3] = (250, 249, 247)
    return pixels


def _read(picture):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def test_few_colours_come_back_as_they_were():
    """What has no more colours than are kept is lossless."""
    pixels = _pixels()
    pixels[10:20, :, :3] = (11, 110, 79)
    assert np.array_equal(_read(pictures.webp(pixels)), pixels[..., :3])


def test_a_single_pixel_of_its_own_colour_stays():
    """A mark of one pixel among thousands of shades is not swallowed by the frequent ones."""
    rng = np.random.default_rng(1)
    pixels = _pixels((100, 100))
    grey = rng.integers(150, 250, (100, 100))
    pixels[..., :3] = grey[..., None]
    pixels[50, 50, :3] = (200, 30, 30)
    read = _read(pictures.webp(pixels))
    assert np.abs(read - pixels[..., :3].astype(int)).max() <= pictures.FAR
    assert tuple(read[50, 50]) == (200, 30, 30)


def test_dark_paper_takes_the_places_of_light_paper():
    """A chart laid out once has on dark paper the picture that it would have by a layout of its own."""

    def draw(axes, theme):
        axes.plot([1, 2, 3], [1, 4, 9], color=theme.accent)
        axes.set_xlabel("months")
        figures.label_end(axes, 3, 9, "the end", theme.accent)
        figures.percent_axis(axes.yaxis)

    light, dark = themes()
    _light, places = figures._draw(draw, light, 7.6, 3.6)
    assert figures._draw(draw, dark, 7.6, 3.6, places)[0] == figures._draw(draw, dark, 7.6, 3.6)[0]
