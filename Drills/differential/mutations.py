"""Raw requests out of the hostile tables, changed step by step under a fixed seed."""
import random
import re

from hostile import chunks, fields, hops, hosts, lengths, sizes, targets
from hostile.case import WAITS

SEED, LONGEST = 21, 4096
ENDINGS = (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"\x0b\r\n", b"\x00\r\n")
SPACES = (b" ", b"\t", b"\x0b", b"\x0c", b"\r", b"\xa0", b"\x00", b"  ")
ODD = (
    b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff", b'"', b",", b";", b":", b"_", b".", b"/", b"\\", b"%", b"#", b"@",
    b"(", b"+", b"-", b"0", b"*")


def bases() -> list[bytes]:
    """The octets of every row that a server answers by itself."""
    tables = (lengths, chunks, fields, targets, hosts, hops, sizes)
    found = [case.octets for table in tables for case in table.CASES
        if case.then == WAITS and len(case.octets) <= LONGEST]
    return list(dict.fromkeys(found))


def replaced(octets: bytes, start: int, end: int, new: bytes) -> bytes:
    return octets[:start] + new + octets[end:]


def ending(octets: bytes, choice: random.Random) -> bytes:
    """One line ends otherwise."""
    at = choice.choice([match.start() for match in re.finditer(b"\r\n", octets)] or [len(octets)])
    return replaced(octets, at, at + 2, choice.choice(ENDINGS))


def space(octets: bytes, choice: random.Random) -> bytes:
    """White space more, beside a delimiter or at a line's start, or one space is another."""
    at = choice.choice([match.start() for match in re.finditer(rb"[ :;,\r]|(?<=\n)", octets)] or [0])
    if octets[at:at + 1] == b" " and choice.random() < 0.5:
        return replaced(octets, at, at + 1, choice.choice(SPACES))
    at += choice.choice((0, 1))
    return replaced(octets, at, at, choice.choice(SPACES))


def case(octets: bytes, choice: random.Random) -> bytes:
    """One word in the other case."""
    words = [match.span() for match in re.finditer(rb"[A-Za-z]{2,}", octets)]
    start, end = choice.choice(words or [(0, 0)])
    return replaced(octets, start, end, octets[start:end].swapcase())


def twice(octets: bytes, choice: random.Random) -> bytes:
    """One line twice, side by side or apart."""
    lines = octets.split(b"\r\n")
    line = choice.choice(lines)
    lines.insert(choice.randrange(len(lines) + 1), line)
    return b"\r\n".join(lines)


def position(octets: bytes, choice: random.Random) -> bytes:
    """Two lines in each other's place."""
    lines = octets.split(b"\r\n")
    one, other = choice.randrange(len(lines)), choice.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\r\n".join(lines)


def octet(octets: bytes, choice: random.Random) -> bytes:
    """An odd octet more, or in place of one, or one less."""
    at, new = choice.randrange(len(octets) + 1), choice.choice(ODD + (b"",))
    return replaced(octets, at, at + choice.choice((0, 1)), new)


def shorter(octets: bytes, choice: random.Random) -> bytes:
    """One line less."""
    lines = octets.split(b"\r\n")
    del lines[choice.randrange(len(lines))]
    return b"\r\n".join(lines)


MUTATIONS = (ending, space, case, twice, position, octet, shorter)


def requests(count: int) -> list[bytes]:
    """`count` different requests: a third as the tables have them, the others changed in one way or two."""
    choice = random.Random(SEED)
    table = bases()
    found = dict.fromkeys(choice.sample(table, min(len(table), count // 3)))
    while len(found) < count:
        changed = choice.choice(table)
        for _ in range(choice.choice((1, 1, 2))):
            changed = choice.choice(MUTATIONS)(changed, choice)
        if b"\r\n\r\n" not in changed:
            changed += b"\r\n\r\n"
        if changed not in table:
            found[changed] = None
    return list(found)
