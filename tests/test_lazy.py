"""Packages load what is used: commands that look at params or at what is done need no statistics."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from helpers import clv
from helpers.clv import levers as function

HEAVY = ("pandas", "ibis", "scipy", "sklearn", "matplotlib", "pymc")


def test_params_are_read_without_the_statistics():
    """Reading a client's params, sections of all topics included, loads none of the libraries that take seconds."""
    code = (
        "import sys; from helpers.params import ROOT, load_params; load_params('demo', folder=ROOT / 'params');"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_function_called_as_its_module_stays_a_function():
    """Importing `helpers.clv.levers` does not hide `clv.levers`."""
    importlib.import_module("helpers.clv.levers")
    importlib.import_module("helpers.clv.silence")
    assert callable(clv.levers)
    assert clv.levers is function
    assert callable(clv.silence)


def test_names_are_listed_and_unknown_ones_refused():
    """Completion in JupyterLab sees all names before any was loaded; a name that isn't there is an AttributeError."""
    assert set(clv.__all__) <= set(dir(clv))
    with pytest.raises(AttributeError, match="has no attribute 'lever'"):
        _ = clv.lever
