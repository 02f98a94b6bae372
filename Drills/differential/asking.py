"""One request to one proxy: what it answered, and what its origin saw."""
import re
import socket
from dataclasses import dataclass

from support.origin import StrictOrigin
from support.processes import wait_until
from support.rawsocket import RawConnection
from support.wire import Broken, Ended, Wire

# How long a proxy may say nothing before it counts as waiting for more, and how long after its last word.
SILENCE, QUIET = 0.3, 0.03


@dataclass(frozen=True)
class Outcome:
    """What a proxy made of a request: the whole requests that its origin saw, and its own answers' statuses."""

    seen: tuple[tuple[bytes, bytes], ...]
    statuses: tuple[int, ...]
    closed: bool
    # What the origin found wrong with what it got.
    faults: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The outcome for a table."""
        if self.seen:
            return f"forwards {len(self.seen)}"
        return f"refuses {self.statuses[0]}" if self.statuses else "closes" if self.closed else "waits"


def heard(connection: RawConnection) -> tuple[bytes, bool]:
    """Everything that is answered until it is closed or quiet."""
    octets = b""
    connection.socket.settimeout(SILENCE)
    try:
        while part := connection.socket.recv(65536):
            octets += part
            connection.socket.settimeout(QUIET)
        return octets, True
    except TimeoutError:
        return octets, False
    except ConnectionResetError:
        return octets, True


def statuses(octets: bytes) -> tuple[int, ...]:
    """The statuses of the answers in it; bodies of ours and theirs hold no status line."""
    return tuple(int(status) for status in re.findall(rb"(?:^|(?<=\n)|(?<=[}>\w]))HTTP/1\.[01] (\d{3})", octets))


def ask(port: int, origin: StrictOrigin, octets: bytes) -> Outcome:
    """Sends a request as it stands on a connection of its own."""
    mark = len(origin.records)
    with RawConnection(port) as connection:
        try:
            connection.send(octets)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer, closed = heard(connection)
    settle(port, origin, mark)
    records = [record for record in origin.since(mark) if record.marker != b"settled"]
    seen = tuple((record.message.line, record.message.body) for record in records
    if record.message and record.message.whole)
    return Outcome(seen, statuses(answer), closed, tuple(record.fault for record in records if record.fault))


def settle(port: int, origin: StrictOrigin, mark: int):
    """Asks once more, so that nothing of what was asked before is still on its way; and that it is answered rightly."""
    with RawConnection(port) as connection:
        connection.send(b"GET /settled HTTP/1.1\r\nHost: a\r\nX-Marker: settled\r\nConnection: close\r\n\r\n")
        try:
            answer = Wire(connection.socket).answer()
        except (Broken, Ended, TimeoutError, socket.timeout) as error:
            raise AssertionError(f"the next request is not answered: {error}") from error
    if answer is None or answer.first(b"x-marker") != b"settled":
        raise AssertionError(f"the next request got another's answer: {answer}")
    wait_until(lambda: any(record.marker == b"settled" for record in origin.since(mark)), "the origin has seen it", 5)
