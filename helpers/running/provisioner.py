"""The kernel provisioner `valuebook-warm`: Jupyter asks it for a kernel, and it has the zygote fork one.

Where no zygote can be had, it starts the kernelspec's own command, so that a notebook runs everywhere and only waits longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Bool

from helpers.running.lease import THREADS, NoZygoteError, lease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_client.connect import KernelConnectionInfo

NAME = "valuebook-warm"


class WarmProvisioner(LocalProvisioner):
    """Kernels that are forks of a preloaded process; a plain subprocess where that cannot be had."""

    # A batch chose between warm and plain before it began, and takes no other.
    strict = Bool(default_value=False)
    kernel: int | None = None
    ended: int | None = None

    @property
    def has_process(self) -> bool:
        """Whether a kernel is being looked after."""
        return self.kernel is not None or super().has_process

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start a kernel: by the zygote, or by `cmd`."""
        kwargs["env"] = kwargs["env"] | THREADS
        nothing = os.open(os.devnull, os.O_RDWR)
        outputs = (_file(kwargs.get(name), default) for name, default in (("stdout", 1), ("stderr", 2)))
        try:
            pid = await asyncio.to_thread(
                lease().launch,
                # What follows the interpreter and the module's name.
                argv=cmd[cmd.index("-f") :],
                env=kwargs["env"],
                cwd=self._folder(kwargs),
                files=(nothing, *outputs),
            )
        except NoZygoteError as error:
            if self.strict:
                raise
            self.log.warning("No warm kernel, a plain one starts: %s", error)
            return await super().launch_kernel(cmd, **kwargs)
        finally:
            os.close(nothing)
        self.kernel = self.pid = self.pgid = pid
        self.ended = None
        self.cwd = self._folder(kwargs)
        return self.connection_info

    @staticmethod
    def _folder(options: Mapping[str, Any]) -> str:
        return str(options.get("cwd") or Path.cwd())

    async def poll(self) -> int | None:
        """Exit code; `None` while the kernel runs."""
        if self.kernel is None:
            return await super().poll()
        if self.ended is None:
            self.ended = await asyncio.to_thread(lease().poll, self.kernel)
        return self.ended

    async def wait(self) -> int | None:
        """Wait until the kernel is gone."""
        if self.kernel is None:
            return await super().wait()
        while (code := await self.poll()) is None:  # noqa: ASYNC110 - nothing tells of its end
            await asyncio.sleep(0.02)
        self.kernel = None
        return code

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel and all that it started."""
        if self.kernel is None:
            await super().send_signal(signum)
        elif self.ended is None:
            # Between the fork and the child's own session there is no group yet: then the child alone is meant.
            try:
                os.killpg(self.kernel, signum)
            except ProcessLookupError:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.kernel, signum)

    async def kill(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 - Jupyter's signature
        """Kill the kernel."""
        if self.kernel is None:
            await super().kill(restart)
        else:
            await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 - Jupyter's signature
        """Ask the kernel to end."""
        if self.kernel is None:
            await super().terminate(restart)
        else:
            await self.send_signal(signal.SIGTERM)


def _file(given: IO[bytes] | int | None, default: int) -> int:
    if given is None or (isinstance(given, int) and given < 0):
        return default
    return given if isinstance(given, int) else given.fileno()
