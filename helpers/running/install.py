"""The kernelspec "Python (Valuebook, warm)": `python -m helpers.running.install` puts it where Jupyter looks, in this environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from helpers.running.provisioner import NAME

SPEC = {
    "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Python (Valuebook, warm)",
    "language": "python",
    "metadata": {"debugger": True, "kernel_provisioner": {"provisioner_name": NAME}},
}


def install(prefix: Path) -> Path:
    """Write the kernelspec under `prefix/share/jupyter/kernels`; its folder."""
    folder = prefix / "share" / "jupyter" / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(SPEC, indent=1) + "\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    install(Path(sys.prefix))
