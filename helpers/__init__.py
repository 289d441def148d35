"""Valuebook: an order log in, decisions about customer value out."""

__version__ = "0.1.0"
