"""Connections as they come to a listener."""
import socket
from collections.abc import Iterator


def arriving(listener: socket.socket) -> Iterator[socket.socket]:
    """Each connection that `listener` gets, until it is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        yield connection
