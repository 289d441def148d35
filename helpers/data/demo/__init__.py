"""The demo client: a simulated retailer with shop, web and app, whose truths are known and stored beside its data."""

from helpers.data.demo.abroad import make_abroad
from helpers.data.demo.dirty import make_dirty
from helpers.data.demo.make import make_demo

__all__ = ["make_abroad", "make_demo", "make_dirty"]
