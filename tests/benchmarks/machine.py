"""The machine and the libraries that a benchmark ran on, as its result states them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

KIT = ("valuebook", "duckdb", "ibis-framework", "pandas", "numpy", "pymc", "nutpie", "scikit-learn", "papermill")
PEERS = ("pymc-marketing", "tea-tasting", "causalml", "scikit-uplift", "pymc", "duckdb", "pandas", "numpy")
ASK = """
import json, platform, sys
from importlib import metadata
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        continue
print(json.dumps(found))
"""
NOT_KNOWN = "not known"


def machine() -> dict[str, str]:
    """Processor, cores that this process may use, memory and operating system."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": str(cores),
        "memory": f"{pages / 2**30:.0f} GiB",
        "system": _system(),
    }


def versions() -> dict[str, str]:
    """Versions of this environment's Python and of the libraries that do the work."""
    found = {"python": platform.python_version()}
    for name in KIT:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = NOT_KNOWN
    return found


def peer_versions(python: str) -> dict[str, str]:
    """Versions of a peers' environment; of packages that are not in it nothing is said."""
    done = subprocess.run([python, "-c", ASK, *PEERS], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine() or NOT_KNOWN)


def _system() -> str:
    kernel = f"{platform.system()} {platform.release()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):  # a system that names itself otherwise
        return kernel
