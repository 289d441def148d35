"""The client's side of the zygote: find it or start it, hold a lease on it, and ask it for kernels."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from helpers.params import ROOT
from helpers.running.wire import hear, say

# Time that a kernel started by hand may take to be followed by the next.
LINGER = 120.0
SHORT = 0.5
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
# All that a zygote knows of its client's environment: nothing that could be a secret. Kernels get theirs when they start.
PASSED_ON = ("HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
PASSED_ON_PREFIXES = ("LC_", "MPLCONFIG", "NUMBA_", "PYTENSOR_", "PYTHON", "XDG_")


class NoZygoteError(Exception):
    """No warm kernel is to be had; the message says why."""


def available() -> str | None:
    """Why warm kernels cannot be had on this system; `None` where they can."""
    if not sys.platform.startswith("linux"):
        return f"warm kernels need Linux, and this is {platform.system()}"
    return None


def runtime_folder() -> Path:
    """A private folder of this user for sockets; short, since a socket's path may have about 100 characters.

    Raises:
        NoZygoteError: The folder is there and belongs to somebody else, or others may enter it.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base, "valuebook") if base and Path(base).is_dir() else Path(f"/tmp/valuebook-{os.getuid()}")  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if folder.is_symlink() or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise NoZygoteError(f"{folder} must be a folder of this user with mode 700")
    return folder


@contextlib.contextmanager
def sockets() -> Any:
    """A private folder with a short path for one kernel's sockets; what a killed process left is cleaned on the way."""
    if os.name == "nt":
        with tempfile.TemporaryDirectory(prefix="vb-") as folder:
            yield Path(folder)
        return
    base = runtime_folder()
    with tempfile.TemporaryDirectory(prefix=f"k{os.getpid()}-", dir=base) as folder:
        yield Path(folder)


def sweep_sockets() -> None:
    """Remove the folders of sockets whose process is gone."""
    import shutil

    for folder in runtime_folder().glob("k*-*"):
        owner = folder.name[1:].partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


@cache
def _identity() -> str:
    """Hash of all that a zygote holds: other code, libraries or interpreter need another zygote."""
    digest = hashlib.sha256(f"{sys.prefix} {sys.version} {ROOT}".encode())
    held = (path for path in (ROOT / "helpers").rglob("*") if path.suffix in {".py", ".po"})
    for path in [ROOT / "requirements.lock", *sorted(held)]:
        if path.is_file():
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Lease:
    """This process's connection to its zygote, shared by all its threads."""

    def __init__(self, *, linger: float = LINGER) -> None:
        self.linger = linger
        self._line: socket.socket | None = None
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def launch(self, *, argv: list[str], env: dict[str, str], cwd: str, files: tuple[int, ...]) -> int:
        """Process id of a new kernel; starts the zygote where there is none.

        Raises:
            NoZygoteError: None can be had.
        """
        request = {"do": "launch", "argv": argv, "env": env, "cwd": cwd}
        with self._lock:
            for last in (False, True):
                line = self._connected()
                try:
                    say(line, request, files)
                    return int(hear(line)[0]["pid"])
                except (OSError, EOFError) as error:
                    # It ended between two requests; its kernels are gone with it, and a new one may serve.
                    self._hang_up()
                    if last:
                        raise NoZygoteError(f"the zygote ended ({error})") from error
        raise AssertionError

    def poll(self, pid: int) -> int | None:
        """Exit code of a kernel; `None` while it runs. A kernel whose zygote is gone was killed with it."""
        with self._lock:
            if self._line is None:
                return -9
            try:
                say(self._line, {"do": "poll", "pid": pid})
                code = hear(self._line)[0]["code"]
            except (OSError, EOFError):
                self._hang_up()
                return -9
            return None if code is None else int(code)

    def start(self) -> None:
        """Connect now, so that the zygote is ready when the first kernel is asked for."""
        with self._lock:
            self._connected()

    def goodbye(self) -> None:
        """Give the lease back in order; the zygote may linger for the next client."""
        # Whoever stops while the zygote warms up beside it does not wait: without a client, the zygote ends by itself.
        if not self._lock.acquire(timeout=SHORT):
            return
        try:
            if self._line is not None and self._owner == os.getpid():
                with contextlib.suppress(OSError):
                    say(self._line, {"do": "goodbye", "linger": self.linger})
            self._hang_up()
        finally:
            self._lock.release()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None

    def _connected(self) -> socket.socket:
        if self._line is None:
            if why := available():
                raise NoZygoteError(why)
            self._line = _connect()
        return self._line


def _connect() -> socket.socket:
    import fcntl

    path = runtime_folder() / f"{_identity()}.s"
    with path.with_suffix(".lock").open("w") as lock:
        # One client at a time looks for a zygote and starts it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for _attempt in range(2):
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                line.connect(str(path))
                say(line, {"do": "hello"})
                hear(line)
            except (OSError, EOFError):
                line.close()
                path.unlink(missing_ok=True)
                _start(path)
            else:
                return line
    raise NoZygoteError("the zygote ended as soon as it had started")


def _start(path: Path) -> None:
    env = {
        name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), env.get("PYTHONPATH"))))
    # Arrow's allocator would start a thread, and the zygote must have one only.
    env |= THREADS | {"MPLBACKEND": "agg", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "helpers.running.zygote", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=env,
            cwd="/",
            start_new_session=True,
        )
        told = process.stdout.readline() if process.stdout else b""
        if process.stdout:
            process.stdout.close()
        answer: dict[str, Any] = json.loads(told) if told else {"ready": False}
        # Reaped whenever it ends, so that a long-lived client keeps no zombie.
        threading.Thread(target=process.wait, daemon=True, name="zygote").start()
        if not answer["ready"]:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise NoZygoteError(answer.get("why") or (lines[-1] if lines else "the zygote did not start"))


@cache
def lease() -> Lease:
    """This process's lease; it is given back when the process ends in order."""
    import atexit

    shared = Lease()
    atexit.register(shared.goodbye)
    return shared


def wait_gone(pid: int, *, seconds: float) -> bool:
    """Wait until a process is gone."""
    until = time.monotonic() + seconds
    while Path("/proc", str(pid)).exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
