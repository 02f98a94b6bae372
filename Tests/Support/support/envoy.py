"""A stand-in for Envoy as a caller: its authorization API on the wire, written and read without its definitions."""
import dataclasses
import struct

import grpc

CHECK = "/envoy.service.auth.v3.Authorization/Check"
HEALTH = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"


# Messages (protobuf's wire format)

def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def message(*fields: tuple[int, object]) -> bytes:
    """Fields by number, in this order: octets, text or whole numbers."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            octets = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(octets)) + octets
    return out


def read(octets: bytes) -> dict[int, list]:
    """The values of a message's fields, by number."""
    fields: dict[int, list] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            octet = octets[at]
            at += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
            shift += 7

    while at < len(octets):
        key = number()
        if key & 7 == 0:
            fields.setdefault(key >> 3, []).append(number())
        else:
            assert key & 7 == 2, key
            length = number()
            fields.setdefault(key >> 3, []).append(octets[at:at + length])
            at += length
    return fields


# What Envoy asks

def pairs(number: int, values) -> list[tuple[int, bytes]]:
    """A map, or what looks like one."""
    items = values.items() if isinstance(values, dict) else values
    return [(number, message((1, key), (2, value))) for key, value in items]


def raw(values) -> bytes:
    """A header map as `encode_raw_headers` makes it."""
    return message(*((1, message((1, key), (3, value))) for key, value in values))


def question(path="/api/x", method="GET", host="shop.test", scheme="http", headers=(), raw_headers=None, *,
             source: str | None = "203.0.113.9", certificate="", extensions=(), more=()) -> bytes:
    """A CheckRequest; None leaves a part out, `more` adds fields to the request of HTTP."""
    line = [(number, value) for number, value in ((2, method), (4, path), (5, host), (6, scheme)) if value is not None]
    told = [*line, *pairs(3, headers), *([(13, raw(raw_headers))] if raw_headers is not None else []), *more]
    address = [] if source is None else [(1, message((1, message((2, source), (3, 40000)))))]
    peer = message(*address, *([(5, certificate)] if certificate else []))
    return message((1, message((1, peer), (4, message((2, message(*told)))), *pairs(10, extensions))))


# What it is told

APPEND, OVERWRITE = 0, 2


@dataclasses.dataclass
class Said:
    """A CheckResponse."""

    code: int
    denied: int | None
    body: str
    headers: list[tuple[str, str, int]]
    removed: list[str]
    for_client: list[tuple[str, str, int]]
    query: list[tuple[str, str]]
    query_removed: list[str]
    metadata: dict[str, str]

    def header(self, name: str) -> str | None:
        return next((value for key, value, _ in self.headers if key == name), None)

    @property
    def passes(self) -> bool:
        return self.code == 0 and self.denied is None


def options(values: list[bytes]) -> list[tuple[str, str, int]]:
    out = []
    for one in map(read, values):
        field = read(one[1][0])
        out.append((field[1][0].decode(), field.get(2, [b""])[0].decode(), one.get(3, [0])[0]))
    return out


def said(octets: bytes) -> Said:
    answer = read(octets)
    code = read(answer[1][0]).get(1, [0])[0]
    denied, passed = read(answer.get(2, [b""])[0]), read(answer.get(3, [b""])[0])
    assert (2 in answer) != (3 in answer)
    metadata = {}
    for entry in read(answer.get(4, [b""])[0]).get(1, []):
        fact = read(entry)
        metadata[fact[1][0].decode()] = read(fact[2][0])[3][0].decode()
    return Said(
        code=code, denied=read(denied[1][0])[1][0] if 2 in answer else None, body=denied.get(3, [b""])[0].decode(),
        headers=options((denied if 2 in answer else passed).get(2, [])),
        removed=[name.decode() for name in passed.get(5, [])], for_client=options(passed.get(6, [])),
        query=[tuple(read(one).get(n, [b""])[0].decode() for n in (1, 2)) for one in passed.get(7, [])],
        query_removed=[name.decode() for name in passed.get(8, [])], metadata=metadata)


class Caller:
    """A client of gRPC at the listener for calls."""

    def __init__(self, port: int, authority: bytes | None = None):
        target = f"127.0.0.1:{port}"
        if authority:
            self.channel = grpc.secure_channel(
                target, grpc.ssl_channel_credentials(authority), [("grpc.ssl_target_name_override", "shop.test")])
        else:
            self.channel = grpc.insecure_channel(target)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self, method: str, octets: bytes, **more) -> bytes:
        return self.channel.unary_unary(method)(octets, timeout=30, **more)

    def ask(self, *arguments, **more) -> Said:
        return said(self.call(CHECK, question(*arguments, **more)))

    def ask_octets(self, octets: bytes) -> Said:
        return said(self.call(CHECK, octets))

    def watch(self, service: str = ""):
        """The call itself: what it yields are statuses."""
        return self.channel.unary_stream(
            WATCH, response_deserializer=lambda octets: read(octets).get(1, [0])[0])(message((1, service)), timeout=60)

    def health(self, service: str = "") -> int:
        return read(self.call(HEALTH, message((1, service)))).get(1, [0])[0]


def frame(octets: bytes, flag: int = 0) -> bytes:
    """A message as it stands in a body."""
    return struct.pack(">BI", flag, len(octets)) + octets
