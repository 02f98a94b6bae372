"""Host and absolute targets: RFC 9112 §3.2, RFC 9110 §7.2; X1, X2, P1, P4."""
from hostile.case import HOST, SMUGGLED, Case, as_get, get, head, passes, refused

ONE = "X1 P4, RFC 9112 §3.2"
ABSOLUTE = "X2 P4, RFC 9112 §3.2.2"


def host(value: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return head(line, b"Host:" + value + b"\r\n")


def absolute(target: bytes, value: bytes = b" lie.test") -> bytes:
    return host(value, b"GET " + target + b" HTTP/1.1")


NO_HOSTS = {
    "an empty host": b"", "a host of spaces": b" \t ", "a host with a path": b" app.test/evil",
    "a host with a query": b" app.test?x", "a host with a fragment": b" app.test#x",
    "a host with a user": b" user@app.test", "a host with a user and a word": b" u:p@app.test",
    "a scheme": b" http://app.test", "a list of hosts": b" app.test, only.test", "a host with a comma": b" app.test,",
    "a host with a space": b" app test", "a host with a tab": b" app\ttest", "a host with a NUL": b" app.test\x00",
    "a host with a backslash": b" app.test\\only.test", "a host with a semicolon": b" app.test;",
    "a host with quotes": b' "app.test"', "a host with a percent sign": b" app%2etest",
    "a host beyond ASCII": b" \xc3\xa4pp.test", "a host of a full stop": b" .", "a host of a colon": b" :",
    "a host of a port": b" :80", "two full stops behind": b" app.test..", "two full stops within": b" only..test",
    "a full stop before": b" .app.test", "a bad port": b" app.test:99999", "a port of 65536": b" app.test:65536",
    "port 0": b" app.test:0", "a negative port": b" app.test:-80", "a port with a sign": b" app.test:+80",
    "a port of letters": b" app.test:http", "a port with a space": b" app.test: 80",
    "a space before the port": b" app.test :80", "two ports": b" app.test:80:80",
    "a port of six digits": b" app.test:000080", "an address without brackets": b" ::1", "an open bracket": b" [::1",
    "brackets around a name": b" [app.test]", "brackets around nothing": b" []", "a zone": b" [fe80::1%25lo]",
    "letters behind the bracket": b" [::1]x", "a bracket behind": b" ::1]", "an asterisk": b" *",
    "an angle bracket": b" <app.test>", "a vertical bar": b" app|test", "an apostrophe": b" app'test",
}
# `only.test` is a host whose route asks for a key.
CLOSED = [
    b" only.test", b" ONLY.TEST", b" Only.Test.", b" only.test:80", b" only.test.:8080", b"only.test",
    b"\tonly.test \t", b" only.test:"]

CASES = [
    *(refused("host: " + name, ONE, host(value)) for name, value in NO_HOSTS.items()),
    refused("no host", ONE, head(fields=b"X-A: b\r\n")),
    refused("no field at all", ONE, head(fields=b"")),
    refused("two hosts", ONE, head(fields=HOST + b"Host: only.test\r\n")),
    refused("two equal hosts", ONE, head(fields=HOST + HOST)),
    refused("two hosts in two cases", ONE, head(fields=HOST + b"hOST: only.test\r\n")),
    refused("two hosts apart", ONE, head(fields=HOST + b"X-A: b\r\n" * 20 + HOST)),
    refused("a host and an empty one", ONE, head(fields=HOST + b"Host:\r\n")),
    refused("two hosts in HTTP/1.0", ONE, head(b"GET / HTTP/1.0", HOST + b"Host: only.test\r\n")),
    refused("two hosts and an absolute target", ABSOLUTE, head(b"GET http://app.test/ HTTP/1.1", HOST + HOST)),
    refused("an absolute target with two full stops in its host", ABSOLUTE, absolute(b"http://only..test/hosted")),
    refused("no host and an absolute target", ABSOLUTE, head(b"GET http://app.test/ HTTP/1.1", b"")),
    refused("a host that is none, and an absolute target", ABSOLUTE, absolute(b"http://app.test/", b" a b")),
    refused("a host with a user, and an absolute target", ABSOLUTE, absolute(b"http://app.test/", b" app.test@evil")),
    refused("Connection nominates a host that is missing", ONE, head(fields=b"Connection: Host\r\n")),
    *(Case("a rule of a host:" + value.decode(), "P4 X1", host(value, b"GET /hosted HTTP/1.1"), (401,), stays=True)
        for value in CLOSED),
    *(Case("a rule of a host: " + target.decode(), "P4 X2", absolute(target), (401,), stays=True) for target in (
        b"http://only.test/hosted", b"HTTP://ONLY.TEST/hosted", b"http://only.test.:80//hosted",
        b"https://only.test/hosted?x")),
    passes("another host has no such rule", "P4", host(b" only.test.evil.test", b"GET /hosted HTTP/1.1"),
           as_get(b"/hosted", host=b"only.test.evil.test")),
    passes("a prefix of the host has no such rule", "P4", host(b" only.tes", b"GET /hosted HTTP/1.1"),
        as_get(b"/hosted", host=b"only.tes")),
    passes("hearsay of a host finds no rule", "P1 P4", get(b"/hosted",
        b"X-Forwarded-Host: only.test\r\nX-Original-Host: only.test\r\n"),
           as_get(b"/hosted")),
    passes("a host in capitals", ONE, host(b" App.TEST"), as_get()),
    passes("a host with a port", ONE, host(b" app.test:8080"), as_get()),
    passes("a host with an empty port", ONE, host(b" app.test:"), as_get()),
    passes("a host with a full stop behind", "P4", host(b" app.test."), as_get()),
    passes("a host without a space before", ONE, host(b"app.test"), as_get()),
    passes("a host with an underscore", ONE, host(b" a_b.test"), as_get(host=b"a_b.test")),
    passes("an address", ONE, host(b" 127.0.0.1:80"), as_get(host=b"127.0.0.1")),
    passes("an address of IPv6", ONE, host(b" [::1]:80"), as_get(host=b"[::1]")),
    passes("HTTP/1.0 without a host", ONE, head(b"GET / HTTP/1.0", b""), as_get(host=None), stays=False),
    passes("HTTP/1.0 with an empty host", ONE, host(b"", b"GET / HTTP/1.0"), as_get(host=None), stays=False),
    passes("HTTP/1.0 without a host, where it would be kept", ONE, head(b"GET /kept HTTP/1.0", b""), as_get(b"/kept",
        host=None), stays=False),
    passes("a host with an underscore in its name is none", "H1 X1", get(b"/", b"H_ost: evil.test\r\n"), as_get(b"/",
        b"H_ost: evil.test")),
    passes("Connection nominates the host", "H2 X11", get(b"/", b"Connection: Host\r\n"), as_get()),
    passes("an absolute target", ABSOLUTE, absolute(b"http://real.test/a"), as_get(b"/a", host=b"real.test")),
    passes("an absolute target of https", ABSOLUTE, absolute(b"https://real.test/a"), as_get(b"/a", host=b"real.test")),
    passes("an absolute target in capitals", ABSOLUTE, absolute(b"HTTP://REAL.test./a"), as_get(b"/a",
        host=b"real.test")),
    passes("an absolute target with a port", ABSOLUTE, absolute(b"http://real.test:8080/a"), as_get(b"/a",
        host=b"real.test")),
    passes("an absolute target without a path", ABSOLUTE, absolute(b"http://real.test"), as_get(b"/",
        host=b"real.test")),
    passes("an absolute target of a query", ABSOLUTE, absolute(b"http://real.test?a=b"), as_get(b"/?a=b",
        host=b"real.test")),
    passes("an absolute target whose path has two slashes", ABSOLUTE, absolute(b"http://real.test//evil.test/a"),
           as_get(b"/evil.test/a", host=b"real.test")),
    passes("an absolute target and an empty host", ABSOLUTE, absolute(b"http://real.test/a", b""), as_get(b"/a",
        host=b"real.test")),
    passes("an absolute target in HTTP/1.0", ABSOLUTE, head(b"GET http://real.test/a HTTP/1.0", b""), as_get(b"/a",
        host=b"real.test"),
           stays=False),
    passes("an absolute target, kept as the upstream's host", ABSOLUTE, absolute(b"http://real.test/kept"),
           as_get(b"/kept", host=b"real.test")),
    passes("a host that is kept", ONE, host(b" app.test:8080", b"GET /kept HTTP/1.1") + SMUGGLED, as_get(b"/kept"),
        as_get(b"/smuggled")),
]
