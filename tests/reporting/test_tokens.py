"""Design tokens: contrast, the client's colour, and one source for page and figures."""

import colorsys
import io

import numpy as np
import pytest
from PIL import Image

from helpers.reporting import tokens
from helpers.reporting.figures import figure
from helpers.reporting.html import Brand, render
from helpers.reporting.tokens import DARK, LIGHT, contrast, readable
from tests.reporting.test_reporting import PROVENANCE, chart, findings, notebook

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK])


def hue(colour):
    return colorsys.rgb_to_hls(*(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)))[0]


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@THEMES
def test_text_colours_have_contrast(theme):
    assert contrast(theme.ink, theme.paper) >= 7
    for paper in (theme.paper, theme.soft):
        assert all(contrast(colour, paper) >= 4.5 for colour in (theme.ink, theme.muted, theme.warn, theme.bad))


@THEMES
def test_five_hues_stand_out_from_the_paper(theme):
    assert len(set(theme.hues)) == 5
    assert all(contrast(colour, theme.paper) >= 2.5 for colour in theme.hues)


@THEMES
@pytest.mark.parametrize("colour", ["#ffffff", "#ffff00", "#000000", "#0b6e4f", "#777777", "#e30613", "#00b7ff"])
def test_the_clients_colour_is_made_readable_and_keeps_its_hue(colour, theme):
    shown = readable(colour, theme.paper)
    assert contrast(shown, theme.paper) >= 4.5
    if colour not in {"#ffffff", "#000000", "#777777"}:
        assert hue(shown) == pytest.approx(hue(colour), abs=0.02)


@THEMES
def test_a_colour_that_can_be_read_is_left_as_it_is(theme):
    assert readable(theme.ink, theme.paper) == theme.ink


def test_a_hue_like_the_clients_colour_is_used_last():
    tokens.use_accent("#0072b2")
    light, dark = tokens.themes()
    assert light.hues[-1] == "#0072b2"
    assert dark.hues[-1] == "#56b4e9"


def branded(colour):
    brand = Brand(name="Acme", colour=colour)
    return render(notebook("<p>x</p>"), findings=findings(), provenance=PROVENANCE, brand=brand)


def test_a_report_says_where_the_clients_colour_was_changed():
    changed = branded("#ffe600")
    assert "#ffe600, is printed darker here (" in changed
    assert "--brand:#ffe600" in changed
    assert "--accent:#ffe600;" not in changed.split("@media")[0]
    assert "is printed darker here" not in branded("#0b6e4f")


def test_page_and_figures_are_of_the_same_colours():
    def fill(axes, theme):
        axes.set_facecolor(theme.accent)

    tokens.use_accent("#7a1fa2")
    drawn = figure(fill, title="t", subtitle="s", foot="f", alt="a", data=chart().data)
    for picture, theme in zip((drawn.light, drawn.dark), tokens.themes(), strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
        middle, corner = pixels[len(pixels) // 2, 500], pixels[0, 0]
        for pixel, colour in ((middle, theme.accent), (corner, theme.paper)):
            wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
            assert np.abs(pixel.astype(int) - wanted).max() <= 4
            assert colour in branded("#7a1fa2")
