"""Inference that two topics or more share."""
