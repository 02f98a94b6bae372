"""Why we may forward what another proxy refuses: each class with its reason, and the requests that it explains."""
import re
from collections.abc import Callable
from dataclasses import dataclass

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# A request line, at the start or behind an empty line or a body of the tables.
LINE = re.compile(rb"(?:\A(?:\r\n)?|(?<=\n)|(?<=hello))(" + TOKEN + rb") (\S+) HTTP/1\.[01]\r\n")
REGISTERED = {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND"}
WRITTEN_BY_PROXIES = rb"Host|X-Forwarded-(For|Host|Proto)|X-Request-Id"


@dataclass(frozen=True)
class Reason:
    """Why both are right: the sentence, the proxies that refuse, how they do, and which requests it explains."""

    why: str
    refusing: dict[str, tuple[int, ...]]
    explains: Callable[[bytes], bool]


def methods(octets: bytes) -> set[bytes]:
    """The methods of all requests in a row."""
    return {match[1] for match in LINE.finditer(octets)}


def holds(pattern: bytes) -> Callable[[bytes], bool]:
    """Whether a pattern stands in the octets, in any case."""
    compiled = re.compile(pattern, re.I)
    return lambda octets: compiled.search(octets) is not None


def names_another_host(octets: bytes) -> bool:
    """Whether an absolute target's authority is not what Host says."""
    target = re.search(rb" https?://([^/? ]*)", octets, re.I)
    host = re.search(rb"\nHost:[ \t]*([^\r]*?)[ \t]*\r", octets, re.I)
    return bool(target and host) and target[1] != host[1]


REASONS = {
    "a method that is not registered": Reason(
        "A method is any token, compared with its case (RFC 9110 §9.1); rules that name methods do not match it (P7), "
        "and what it means is the origin's to say. Envoy knows a list.",
        {"envoy": (400,)}, lambda octets: bool(methods(octets) - REGISTERED)),
    "a method in other letters than capitals": Reason(
        "As above; nginx takes capitals, `_` and `-`.",
        {"nginx": (400,)}, lambda octets: any(re.search(rb"[^A-Z_-]", method) for method in methods(octets))),
    "PRI": Reason(
        "As above, in HTTP/1.1 and with a path; HTTP/2's preface, which it is kept for (RFC 9113 §3.4), has another "
        "version and is refused.",
        {"haproxy": (400,)}, lambda octets: b"PRI" in methods(octets)),
    "a tab beside a value": Reason(
        "Space and tab may stand around a value (RFC 9110 §5.5); nginx takes a tab for a part of it.",
        {"nginx": (400, 501)}, holds(rb"\n(Host|Content-Length|Transfer-Encoding):(\t| *[^\r]*\t *\r)")),
    "an empty Host": Reason(
        "Host may be empty where the target has no authority (RFC 9112 §3.2), which HTTP/1.0 allows, and is replaced "
        "where the target is absolute (§3.2.2; X2).",
        {"nginx": (400,)}, holds(rb"( HTTP/1\.0\r\n|\A(\r\n)?\S+ https?://)[^\x00]*\r?\n?Host: *\r\n")),
    "an absolute target of another host": Reason(
        "Host is ignored and replaced by the target's authority (RFC 9112 §3.2.2; X2): one host is judged and sent.",
        {"haproxy": (400,)}, names_another_host),
    "an absolute target without a path": Reason(
        "An empty path is `/` (RFC 9110 §4.2.3).", {"envoy": (404,), "haproxy": (400,)},
        holds(rb" https?://[^/ ]+ HTTP/1")),
    "an upgrade": Reason(
        "A server may ignore Upgrade (RFC 9110 §7.8); it ends here and the request goes on without it, so what follows is "
        "the next request and never a tunnel (H5).",
        {"envoy": (403,), "haproxy": (400,)}, holds(rb"\nUpgrade:")),
    "Connection nominates what proxies write": Reason(
        "What Connection takes out is the client's copy; ours is written afterwards (RFC 9110 §7.6.1; H2).",
        {"envoy": (400,)}, holds(rb"\nConnection:[^\r]*\b(" + WRITTEN_BY_PROXIES + rb")\b")),
    "a Connection of a thousand names": Reason(
        "RFC 9110 §7.6.1 sets no bound; ours is that of a head.",
        {"envoy": (400,)}, holds(rb"\nConnection:[^\r]{500}")),
    "an empty line before the request line": Reason(
        "A server should ignore one (RFC 9112 §2.2); ours ignores one and no more.",
        {"caddy": (400,)}, holds(rb"\A\r\n[!-~]|\r\n\r\n\r\n[!-~]+ /")),
    "a name of four thousand octets": Reason(
        "RFC 9110 §5.4 sets no bound; ours is that of a head.", {"haproxy": (400,)}, holds(rb"\n[^:\r]{1000}")),
    "a trailer that frames": Reason(
        "Trailers are dropped whatever they are (RFC 9110 §6.5.1; X10), so none frames anything.",
        {"haproxy": (400,)}, holds(rb"\r\n0\r\n[^\x00]*(Content-Length|Transfer-Encoding):")),
}


def of(octets: bytes, name: str, statuses: tuple[int, ...]) -> list[str]:
    """The reasons why the proxy `name`, which answered with `statuses`, refuses what we forward."""
    return [word for word, reason in REASONS.items()
            if set(statuses) & set(reason.refusing.get(name, ())) and reason.explains(octets)]
