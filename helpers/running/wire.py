"""What client and zygote say to each other over their Unix socket: one JSON object a message, file descriptors beside it."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

LENGTH = struct.Struct("!I")
LARGEST = 16 << 20
MOST_FILES = 3


def say(line: socket.socket, message: dict[str, Any], files: tuple[int, ...] = ()) -> None:
    """Send a message, with file descriptors where given."""
    body = json.dumps(message).encode()
    if len(body) > LARGEST:
        raise ValueError(f"a message of {len(body)} bytes, must be <= {LARGEST}")
    if files:
        socket.send_fds(line, [LENGTH.pack(len(body))], list(files))
    else:
        line.sendall(LENGTH.pack(len(body)))
    line.sendall(body)


def hear(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message, and the file descriptors that came with it.

    Raises:
        EOFError: The other side is gone.
    """
    head, files, _flags, _address = socket.recv_fds(line, LENGTH.size, MOST_FILES)
    try:
        head += _exactly(line, LENGTH.size - len(head))
        (size,) = LENGTH.unpack(head)
        if size > LARGEST:
            raise EOFError(f"a message of {size} bytes, must be <= {LARGEST}")  # noqa: TRY301
        return json.loads(_exactly(line, size)), files
    except BaseException:
        for file in files:
            os.close(file)
        raise


def _exactly(line: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = line.recv(min(size - len(parts), 1 << 16))
        if not part:
            raise EOFError("the other side is gone")
        parts += part
    return bytes(parts)
