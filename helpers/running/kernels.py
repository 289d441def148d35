"""Kernels of jobs: warm or plain, spoken to through sockets of their own, and held to a time and a share of memory."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self, cast

from helpers.params import ROOT
from helpers.reporting.words import _, number
from helpers.running.lease import THREADS, NoZygoteError, available, lease

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind = Literal["warm", "plain"]
GIB = 1 << 30
# Left to the system and to the runner itself when memory is shared out.
KEPT_BACK = 0.15
WORTH_IT = 2  # jobs from which on warming up pays
SPEC = "python3"


class InterruptedJobError(Exception):
    """The run was stopped; the job left nothing and will run again."""


def kind_of(asked: Kind | None) -> tuple[Kind, str | None]:
    """The kind of kernels that a run gets, and why it is not the warm kind where warm ones were asked for or are usual."""
    if asked == "plain":
        return "plain", None
    if why := available():
        return "plain", why if asked else None
    try:
        lease().start()
    except NoZygoteError as error:
        return "plain", str(error)
    return "warm", None


def warming(asked: Kind | None, *, each: int) -> Callable[[], None]:
    """What starts the zygote beside other work as soon as enough jobs are known; whoever wants a kernel then waits for it.

    Args:
        asked: The kind that was asked for.
        each: Jobs that a call stands for.
    """
    known = 0

    def more() -> None:
        nonlocal known
        before, known = known, known + each
        if asked != "plain" and before < WORTH_IT <= known and available() is None:
            # Why there is none is told to whoever asks for a kernel.
            threading.Thread(target=kind_of, args=("warm",), daemon=True, name="warming").start()

    return more


class Guard:
    """What holds one job to its limits; usable from any thread.

    Args:
        seconds: How long the job may take, its second try and all.
        memory: Bytes of data that its kernel may hold; `None` for no limit.

    Attributes:
        why: Why the kernel was killed; `None` while it was not.
        code: Exit code of a kernel that died.
    """

    def __init__(self, *, seconds: float, memory: int | None) -> None:
        self.seconds, self.memory = seconds, memory
        self.until = time.monotonic() + seconds
        self.why: str | None = None
        self.interrupted = False
        self.code: int | None = None
        self._pid: int | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._too_long)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_told: object) -> None:
        self._timer.cancel()
        self.sweep()

    def started(self, pid: int) -> None:
        """A kernel runs: limit its memory, and kill it at once where its time is already over."""
        with self._lock:
            self._pid, self.code = pid, None
            if self.memory and sys.platform == "linux":
                import resource

                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_DATA, (self.memory, self.memory))
            over = self.why is not None or self.interrupted
        if over:
            self._kill()

    def interrupt(self) -> None:
        """Stop the job because the whole run stops."""
        self.interrupted = True
        self._kill()

    def sweep(self) -> None:
        """Kill what the kernel left behind in its process group."""
        self._kill()
        with self._lock:
            self._pid = None

    def death(self) -> str:
        """Why the kernel died, for a reader."""
        if self.why:
            return self.why
        if self.code is not None and self.code < 0:
            name = signal.Signals(-self.code).name
            told = _("The kernel died: it was ended by the signal {name}.").format(name=name)
        else:
            told = _("The kernel died: it ended itself with exit code {code}.").format(code=self.code)
        return told if self.memory is None else f"{told} {self.memory_note()}"

    def memory_note(self) -> str:
        """The limit in words."""
        gigabytes = number((self.memory or 0) / GIB, digits=1)
        return _("It may hold {gigabytes} GB of memory (run.memory_gb).").format(gigabytes=gigabytes)

    def _too_long(self) -> None:
        minutes = number(self.seconds / 60, digits=0 if self.seconds % 60 == 0 else 2)
        self.why = _(
            "It took longer than the {minutes} minutes that a notebook may take (run.timeout_minutes)."
        ).format(minutes=minutes)
        self._kill()

    def _kill(self) -> None:
        with self._lock:
            if self._pid is not None and hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._pid, signal.SIGKILL)


def memory_limit(gigabytes: float | None, *, jobs: int) -> int | None:
    """Bytes that a job's kernel may hold: what the params say, or an even share of the machine."""
    if gigabytes is not None:
        return int(gigabytes * GIB)
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    container = Path("/sys/fs/cgroup/memory.max")
    if container.is_file() and (said := container.read_text().strip()).isdigit():
        whole = min(whole, int(said))
    return int(whole * (1 - KEPT_BACK) / jobs)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A kernel's environment: this process's, one thread for linear algebra, and the same helpers as the runner's."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, **THREADS, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), **extra}


def manager_class(kind: Kind, *, sockets: Path, log: IO[bytes], guard: Guard, env: dict[str, str]) -> type:
    """A kernel manager for one job.

    TCP would be open to everyone on the machine; and without a folder each, two kernels that start at the same moment
    could take the same sockets.

    Args:
        kind: Of kernel.
        sockets: A private folder with a short path.
        log: Takes what the kernel itself says, which is for the error page and not for the terminal of a batch.
        guard: Is told of the kernel's process.
        env: The kernel's environment.
    """
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class JobKernelManager(AsyncKernelManager):
        @default("client_factory")
        def _client(self) -> type:
            return _client_class()

        @default("transport")
        def _transport(self) -> str:
            return "tcp" if os.name == "nt" else "ipc"

        @default("ip")
        def _ip(self) -> str:
            return "127.0.0.1" if os.name == "nt" else str(sockets / "k")

        async def _async_pre_start_kernel(self, **options: Any) -> Any:
            if kind == "warm" and self.provisioner is None:
                from helpers.running.provisioner import WarmProvisioner

                self.kernel_id = self.kernel_id or str(uuid.uuid4())
                self.provisioner = WarmProvisioner(
                    kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self, strict=True
                )
            return await super()._async_pre_start_kernel(**options, env=env, stdout=log, stderr=log)

        async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
            await super()._async_launch_kernel(kernel_cmd, **options)
            guard.started(cast("Any", self.provisioner).pid)

        async def _async_kill_kernel(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 - Jupyter's signature
            # Jupyter looks every tenth of a second whether the kernel is gone; the provisioner looks more often.
            started: Any = self.provisioner
            await started.kill(restart=restart)
            await started.wait()

        async def is_alive(self) -> bool:  # type: ignore[override]
            code = await self.provisioner.poll() if self.provisioner else None
            if code is not None:
                guard.code = code
            return await super().is_alive()

    return JobKernelManager


def _client_class() -> type:
    """A kernel's client that is ready as soon as it has heard from the kernel.

    Jupyter's own then waits until a fifth of a second has gone by without a message. Whoever executes cells tells messages
    apart by what they answer, and needs no silence before.
    """
    from queue import Empty

    from jupyter_client.asynchronous.client import AsyncKernelClient

    class JobKernelClient(AsyncKernelClient):
        async def wait_for_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - Jupyter's signature
            until = time.monotonic() + (timeout or float("inf"))
            while True:
                self.kernel_info()
                with contextlib.suppress(Empty):
                    reply = await self.get_shell_msg(timeout=1)
                    # Without a word on IOPub it is not connected yet, and what cells put out would be lost.
                    await self.get_iopub_msg(timeout=0.2)
                    self._handle_kernel_info_reply(reply)
                    return
                if not await self.is_alive():
                    raise RuntimeError("Kernel died before replying to kernel_info")
                if time.monotonic() > until:
                    raise RuntimeError(f"Kernel didn't respond in {timeout:.0f} seconds")

    return JobKernelClient
