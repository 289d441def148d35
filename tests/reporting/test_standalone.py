"""A chart saved as a file has its words, its size and nothing else: no script, no reference, no client text unescaped."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from helpers.reporting.words import use_language
from tests.reporting.test_reporting import chart

HOSTILE = "<script>alert(1)</script>\"'=1+1$x$\u202eevil\u0007😀 --> ]]>" + "z" * 10_000
SVG = "{http://www.w3.org/2000/svg}"


def test_a_png_has_the_asked_width_light_paper_and_words_around_the_chart(tmp_path):
    path = chart().save(tmp_path / "f.png", width=900)
    picture = Image.open(path)
    assert picture.width == 900
    grey = np.asarray(picture.convert("L"))
    assert grey.mean() > 230
    assert grey[: picture.height // 12].min() < 100, "no title at the top"
    assert grey[-picture.height // 12 :].min() < 150, "no foot at the bottom"


def test_longer_words_take_more_room_and_leave_the_chart_its_own(tmp_path):
    heights = []
    for title in ("A finding", "A finding " * 30):
        with Image.open(chart(title=title).save(tmp_path / "f.png", width=760)) as picture:
            heights.append(picture.height)
    assert heights[1] > heights[0] + 40


def test_an_svg_stands_alone(tmp_path):
    path = chart(title="Ten & more", alt="A line").save(tmp_path / "f.svg", width=640)
    text = path.read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314 - what was just written
    assert root.get("width") == "640"
    assert root.find(f"{SVG}title").text == "Ten & more"
    assert root.find(f"{SVG}desc").text == "A line"
    assert "<!" not in text
    assert set(re.findall(r'https?://[^"]*', text)) == {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg"}


def test_hostile_words_are_shapes_and_escaped_text(tmp_path):
    made = chart(title=HOSTILE, subtitle=HOSTILE, foot=HOSTILE, alt=HOSTILE)
    path = made.save(tmp_path / "f.svg", width=640)
    text = path.read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314 - what was just written
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert not tags & {"script", "foreignObject", "a", "image", "iframe"}
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert "href" not in name or value.startswith("#")
    assert root.find(f"{SVG}title").text.startswith("<script>alert(1)</script>\"'=1+1$x$evil😀 -->")
    assert "<script" not in text
    assert "\u202e" not in text
    assert len(text) < 400_000
    made.save(tmp_path / "f.png", width=640)


def test_equal_charts_make_equal_files(tmp_path):
    for suffix in ("png", "svg"):
        one, other = (chart().save(tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
        assert one == other


def test_persian_words_stand_at_the_right(tmp_path):
    use_language("fa_IR", "IRR")
    grey = np.asarray(Image.open(chart(title="یافته").save(tmp_path / "f.png", width=760)).convert("L"))
    top = grey[: len(grey) // 14] < 128
    assert top[:, 380:].any()
    assert not top[:, :380].any()


def test_a_letter_that_the_font_lacks_is_a_box_and_no_warning(tmp_path):
    chart(title="茶 and tea").save(tmp_path / "f.png")


@pytest.mark.parametrize(
    ("name", "width", "told"), [("f.pdf", 900, "must end with .png or .svg"), ("f.png", 0, "width == 0")]
)
def test_what_cannot_be_saved_is_told(tmp_path, name, width, told):
    with pytest.raises(ValueError, match=told):
        chart().save(tmp_path / name, width=width)
    assert not list(tmp_path.iterdir())
