"""The zygote: a small server that has everything loaded and forks itself into kernels.

`python -P -m helpers.running.zygote SOCKET` preloads, makes sure that it has one thread (what forks while other threads run
may hang), says so on its standard output, and serves. Each client process holds one connection, its lease. When a lease
ends, however it ends, its kernels are killed; without leases the zygote ends too, at once or after the time that the last
client asked it to linger.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import random
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.running.wire import hear, say

PATIENCE = 30.0  # seconds that a zygote without any client yet waits for the first
ENDING = 5.0  # seconds that threads which were joined may take to be gone
STALLED = 10.0  # seconds after which a client that stops in the middle of a message is hung up on
PR_SET_PDEATHSIG = 1
PEER = struct.Struct("3i")


@dataclass
class Lease:
    """One client process.

    Attributes:
        kernels: Its kernels by process id, with the exit code once known.
        linger: Seconds that the zygote may outlive it.
    """

    kernels: dict[int, int | None] = field(default_factory=dict)
    linger: float = 0.0


@dataclass(frozen=True)
class Launch:
    """What a forked child becomes."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    files: list[int]


def main() -> None:
    """Preload, serve, and end; or, in a child, become a kernel."""
    path = Path(sys.argv[1])
    from helpers.running.preload import preload

    took = preload()
    if others := other_threads():
        _tell({"ready": False, "why": f"{len(others)} threads of libraries run already ({', '.join(others)})"})
        return
    gc.collect()
    gc.freeze()  # what is loaded stays shared: the collector does not touch it in the children
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(64)
    _tell({"ready": True, "seconds": took})
    # The client reads one line; whoever writes to a pipe nobody reads would be killed.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    launch = Server(listener, path).serve()
    if launch:
        become_kernel(launch)


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def other_threads(*, patience: float = ENDING) -> list[str]:
    """Names of this process's threads but for the main one; what is about to end is waited for.

    Python takes a thread for ended while the system still takes it down, which on a busy machine lasts.
    """
    until = time.monotonic() + patience
    while True:
        names = []
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended since it was listed
                if int(task.name) != os.getpid():
                    names.append((task / "comm").read_text(encoding="utf-8").strip())
        if not names or time.monotonic() > until:
            return sorted(names)
        time.sleep(0.01)


class Server:
    """Leases, their kernels, and the loop over what clients ask."""

    def __init__(self, listener: socket.socket, path: Path) -> None:
        self.listener, self.path = listener, path
        self.leases: dict[socket.socket, Lease] = {}
        self.doomed: set[int] = set()
        self.ends_at = time.monotonic() + PATIENCE
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)

    def serve(self) -> Launch | None:
        """Answer until nobody needs the zygote any more. In a forked child: what it is to become."""
        while self.leases or self.doomed or time.monotonic() < self.ends_at:
            for key, _events in self.selector.select(timeout=0.2):
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    line: Any = key.fileobj
                    if launch := self._answer(line):
                        return launch
            self.doomed = {pid for pid in self.doomed if _exit_code(pid) is None}
        self._close()
        return None

    def _accept(self) -> None:
        line, _address = self.listener.accept()
        _pid, user, _group = PEER.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        if user != os.getuid():
            line.close()
            return
        line.settimeout(STALLED)
        self.leases[line] = Lease()
        self.selector.register(line, selectors.EVENT_READ)

    def _answer(self, line: socket.socket) -> Launch | None:
        try:
            message, files = hear(line)
            lease = self.leases[line]
            match message["do"]:
                case "launch":
                    return self._launch(line, lease, message, files)
                case "poll":
                    say(line, {"code": self._poll(lease, int(message["pid"]))})
                case "goodbye":
                    lease.linger = float(message["linger"])
                    self._end(line)
                case _:
                    say(line, {"pid": os.getpid()})
        except (OSError, EOFError):
            self._end(line)
        return None

    def _launch(self, line: socket.socket, lease: Lease, message: dict[str, Any], files: list[int]) -> Launch | None:
        pid = os.fork()
        if pid == 0:
            self._forget()
            return Launch(argv=message["argv"], env=message["env"], cwd=message["cwd"], files=files)
        for file in files:
            os.close(file)
        lease.kernels[pid] = None
        say(line, {"pid": pid})
        return None

    def _forget(self) -> None:
        """In the child: let go of what is the server's."""
        self.selector.close()
        self.listener.close()
        for line in self.leases:
            line.close()

    @staticmethod
    def _poll(lease: Lease, pid: int) -> int | None:
        if lease.kernels[pid] is None:
            lease.kernels[pid] = _exit_code(pid)
        return lease.kernels[pid]

    def _end(self, line: socket.socket) -> None:
        """A client is gone: so are its kernels, with all that they started."""
        self.selector.unregister(line)
        line.close()
        lease = self.leases.pop(line)
        for pid, code in lease.kernels.items():
            if code is None:
                # One that was forked a moment ago may have no group of its own yet; it has started nothing either.
                for kill in (os.killpg, os.kill):
                    with contextlib.suppress(ProcessLookupError):
                        kill(pid, signal.SIGKILL)
                self.doomed.add(pid)
        self.ends_at = time.monotonic() + lease.linger

    def _close(self) -> None:
        # Whoever starts another zygote holds the lock beside the socket, and so do we while we take ours away.
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.listener.close()


def _exit_code(pid: int) -> int | None:
    """A kernel's exit code as `subprocess` would tell it; `None` while it runs.

    What the kernel left behind in its process group is killed before the kernel is reaped, while its id is still its own.
    """
    try:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
    except ChildProcessError:
        return 0
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def become_kernel(launch: Launch) -> None:
    """In a forked child: take over the client's environment and be the kernel that it asked for."""
    os.setsid()
    # A kernel whose zygote was killed has nobody left to end it.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for place, file in enumerate(launch.files):
        os.dup2(file, place)
        os.close(file)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(launch.env)
    os.environ.pop("JPY_PARENT_PID", None)
    time.tzset()
    os.chdir(launch.cwd)
    for place, folder in enumerate(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))):
        if folder not in sys.path:
            sys.path.insert(place, folder)
    # Children of one zygote must not share their random numbers.
    random.seed()
    import numpy as np

    np.random.seed()  # noqa: NPY002 - the global generator is what a notebook may use by mistake
    from helpers.running.preload import INLINE, use_backend

    use_backend(os.environ.setdefault("MPLBACKEND", INLINE))
    sys.argv = ["ipykernel_launcher.py", *launch.argv]
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(sys.argv[1:])


if __name__ == "__main__":
    main()
