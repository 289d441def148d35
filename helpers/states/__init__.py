"""Stored customer states, carried on by the files that are new."""

from helpers.states.refresh import States, refresh_states

__all__ = ["States", "refresh_states"]
