import shutil
import subprocess
import sys

import pytest

from tests.end_to_end.conftest import ROOT


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_says_what_is_wrong_where_python_is_too_old(tmp_path):
    old = tmp_path / "python3.11"
    old.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import sys; sys.version_info = (3, 11, 0); exec(sys.argv[1])' \"$2\"\n"
    )
    old.chmod(0o755)
    command = ["make", "demo", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Valuebook needs Python 3.12 or newer" in done.stderr
    assert "is 3.11" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_alone_lists_the_targets():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "lab", "lint"):
        assert f"make {target}" in done.stdout
