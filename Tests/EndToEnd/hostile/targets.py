"""Request lines, methods, targets and paths: RFC 9112 §3, RFC 9110 §9, RFC 3986 §6; X3, X14, P1–P3, P7."""
from hostile.case import HOST, SMUGGLED, Case, Saw, as_get, get, head, passes, refused

LINE = "X3, RFC 9112 §3"
METHOD = "P7 X14, RFC 9110 §9.1"
FORM = "P2 P3, RFC 9112 §3.2"
PATH = "P3, RFC 3986 §6.2.2"
SKIPPED = "P3 P7"


def line(text: bytes) -> bytes:
    return head(text)


NO_LINES = {
    "no version": b"GET /", "a version alone": b"HTTP/1.1", "a method alone": b"GET", "a method and a space": b"GET ",
    "no target": b"GET HTTP/1.1", "an empty target": b"GET  HTTP/1.1",
    "two spaces before the target": b"GET  / HTTP/1.1", "two spaces before the version": b"GET /  HTTP/1.1",
    "a space behind the version": b"GET / HTTP/1.1 ", "a tab behind the version": b"GET / HTTP/1.1\t",
    "a tab before the target": b"GET\t/ HTTP/1.1", "a tab before the version": b"GET /\tHTTP/1.1",
    "a vertical tab for a space": b"GET\x0b/ HTTP/1.1", "a form feed for a space": b"GET /\x0cHTTP/1.1",
    "a no-break space for a space": b"GET\xa0/ HTTP/1.1", "a bare carriage return for a space": b"GET /\rHTTP/1.1",
    "a space in the target": b"GET /a b HTTP/1.1", "two versions": b"GET / HTTP/1.1 HTTP/1.1",
    "a request behind the version": b"GET / HTTP/1.1 GET /smuggled", "a version in small letters": b"GET / http/1.1",
    "a version in mixed letters": b"GET / Http/1.1", "a version without a dot": b"GET / HTTP/11",
    "a version with a comma": b"GET / HTTP/1,1", "a version of three digits": b"GET / HTTP/1.10",
    "a version with zeros": b"GET / HTTP/01.1", "a version with a sign": b"GET / HTTP/+1.1",
    "a version without a minor": b"GET / HTTP/1.", "a version of letters": b"GET / HTTP/x.y",
    "another protocol": b"GET / SIP/2.0", "a protocol without a name": b"GET / /1.1",
    "a space in the version": b"GET / HTTP/ 1.1", "a space before the dot": b"GET / HTTP/1 .1",
    "a NUL behind the version": b"GET / HTTP/1.1\x00",
}
NO_METHODS = {
    "a method with a parenthesis": b"G(T", "a method with a colon": b"GET:", "a method with a slash": b"GET/",
    "a method in quotes": b'"GET"', "a method with a NUL": b"GE\x00T", "a method beyond ASCII": b"G\xc3\x89T",
    "a method with a comma": b"GET,POST", "a method with an at sign": b"G@T", "a method with a brace": b"{GET}",
    "no method": b"",
}
NO_TARGETS = {
    "a fragment": b"/a#b", "a fragment of nothing": b"/a#", "a fragment in the query": b"/a?b#c",
    "a fragment alone": b"#", "a target without a slash": b"closed", "a query alone": b"?a=b",
    "a target of a dot": b".", "an asterisk for GET": b"*", "an asterisk and a slash": b"*/",
    "an authority": b"app.test:80", "an authority without a port": b"app.test",
    "a scheme without an authority": b"http:///a", "a scheme alone": b"http://", "a scheme and a slash": b"http:/a",
    "a query for an authority": b"http://?a", "another scheme": b"ftp://app.test/a", "a file": b"file:///etc/passwd",
    "a script": b"javascript:alert(1)", "a user in the authority": b"http://user@app.test/",
    "a user and a word": b"http://u:p@app.test/", "an at sign with a port": b"http://only.test:80@app.test/",
    "a bad port": b"http://app.test:99999/", "a port of letters": b"http://app.test:x/",
    "a backslash in the authority": b"http://app.test\\@only.test/", "an encoded authority": b"http://app%2etest/",
    "two authorities": b"http://app.test,only.test/", "an open bracket": b"http://[::1/",
    "a zone": b"http://[fe80::1%25eth0]/", "a control": b"/a\x01b", "a DEL": b"/a\x7fb", "a NUL": b"/a\x00b",
    "an octet beyond ASCII": b"/a\xc3\xa9b", "a backslash": b"/a\\b", "a backslash for the slash": b"\\a",
    "two backslashes": b"\\\\only.test\\a", "an encoded slash": b"/a%2fb", "an encoded slash in capitals": b"/a%2Fb",
    "an encoded backslash": b"/a%5cb", "an encoded NUL": b"/a%00b", "an encoded line end": b"/a%0d%0aX-A:%20b",
    "an encoded tab": b"/a%09", "an encoded DEL": b"/a%7f", "dot-dot above the root": b"/../closed",
    "dot-dot above the root behind a segment": b"/a/../../closed", "dot-dot alone": b"/..",
    "encoded dots": b"/a/%2e%2e/closed", "half encoded dots": b"/a/.%2e/closed", "an encoded dot": b"/a/%2e/b",
    "an encoded dot at the end": b"/a/%2E", "encoded dots at the end": b"/a/%2E%2E",
    "a segment with a parameter": b"/a;b/closed", "dot-dot with a parameter": b"/a/..;/closed",
    "dot-dot with a parameter and a value": b"/a/..;x=y/closed", "a semicolon alone": b"/;",
    "an overlong dot": b"/a/%c0%ae%c0%ae/closed", "an overlong slash": b"/a%c0%afclosed",
    "an overlong slash of three octets": b"/a%e0%80%afclosed", "half a character": b"/a%c3",
    "a surrogate": b"/a%ed%a0%80", "beyond Unicode": b"/a%f4%90%80%80", "a continuation alone": b"/a%80",
    "a percent sign alone": b"/a%", "one digit": b"/a%4", "no digits": b"/a%zz", "a digit and a letter": b"/a%4g",
    "Microsoft's %u": b"/a%u002f", "a percent sign before digits with a sign": b"/a%+4",
}
# The path as it is written, and as it is judged and sent.
PATHS = {
    b"/a/./b": b"/a/b", b"/a/../b": b"/b", b"/a/b/../../c": b"/c", b"/a//b": b"/a/b", b"//a": b"/a", b"///": b"/",
    b"/a/.": b"/a/", b"/a/..": b"/", b"/./": b"/", b"/a//../b": b"/b", b"/...": b"/...", b"/.a/..b": b"/.a/..b",
    b"/%61bc": b"/abc", b"/%7Ea": b"/~a", b"/a%20b": b"/a%20b", b"/%c3%a9": b"/%C3%A9", b"/%E2%82%AC": b"/%E2%82%AC",
    b"/a%3fb": b"/a%3Fb", b"/a%23b": b"/a%23b", b"/a%25b": b"/a%25b", b"/a%252fb": b"/a%252fb",
    b"/a%252e%252e/b": b"/a%252e%252e/b", b"/a%3bb": b"/a%3Bb", b"/a|b": b"/a%7Cb", b'/a"b': b"/a%22b",
    b"/a<b>": b"/a%3Cb%3E", b"/a^b`c": b"/a%5Eb%60c", b"/a{b}": b"/a%7Bb%7D", b"/a[b]": b"/a%5Bb%5D",
    b"/a@b:c!$&'()*+,=": b"/a@b:c!$&'()*+,=", b"/a?b": b"/a?b", b"/a?": b"/a?", b"/?": b"/?", b"/a?b?c": b"/a?b?c",
    b"/a/../b?c/../d": b"/b?c/../d", b"/a?x=%2f%5c%00%zz": b"/a?x=%2f%5c%00%zz",
    b"/a?x=\\<>^`{|}\"": b"/a?x=\\<>^`{|}\"", b"/a?;b": b"/a?;b", b"/a?//../..": b"/a?//../..",
}
CLOSED = [
    b"/closed", b"/%63losed", b"/%63%6c%6f%73%65%64", b"/./closed", b"/x/../closed", b"//closed", b"/closed/",
    b"/closed?x", b"/closed/x/..", b"/x//..//closed", b"http://app.test/closed", b"http://app.test//closed",
    b"HTTP://APP.TEST/%63losed?x",
]
METHODS = [
    b"get", b"Get", b"GETT", b"POST", b"OPTIONS", b"PROPFIND", b"HEAD", b"A", b"*", b"!#$%&'*+-.^_`|~", b"PRI",
    b"DEBUG",
]

CASES = [
    *(refused("line: " + name, LINE, line(text)) for name, text in NO_LINES.items()),
    *(refused(f"HTTP/{version.decode()}", "X3, RFC 9110 §2.5", line(b"GET / HTTP/" + version), 505)
      for version in (b"0.9", b"1.2", b"1.9", b"2.0", b"3.0", b"9.9", b"0.0")),
    *(refused(name, METHOD, line(method + b" / HTTP/1.1")) for name, method in NO_METHODS.items()),
    *(refused("target: " + name, FORM if b"%" not in target else PATH, get(target)) for name,
        target in NO_TARGETS.items()),
    *(passes(f"path {path.decode()}", PATH, get(path), as_get(sent)) for path, sent in PATHS.items()),
    *(Case(f"closed {target.decode()}", SKIPPED, get(target), (401,), stays=True) for target in CLOSED),
    *(Case(f"closed by {method.decode()}", METHOD, line(method + b" /closed HTTP/1.1"), (401,), stays=True)
        for method in METHODS),
    refused("CONNECT", "X14 H5, RFC 9110 §9.3.6", line(b"CONNECT app.test:443 HTTP/1.1"), 405),
    refused("CONNECT to a path", "X14", line(b"CONNECT / HTTP/1.1"), 405),
    refused("CONNECT with a body and a request", "X14 H5", head(
        b"CONNECT app.test:80 HTTP/1.1", HOST + b"Content-Length: 5\r\n", b"hello" + SMUGGLED), 405),
    refused("TRACE", "X14, RFC 9110 §9.3.8", line(b"TRACE / HTTP/1.1"), 405),
    refused("TRACE with Max-Forwards", "X13 X14", head(b"TRACE / HTTP/1.1", HOST + b"Max-Forwards: 0\r\n"), 405),
    passes("TRACK is a method like any other", METHOD, line(b"TRACK / HTTP/1.1"), Saw(b"TRACK / HTTP/1.1")),
    passes("trace in small letters is another method", METHOD, line(b"trace / HTTP/1.1"), Saw(b"trace / HTTP/1.1")),
    passes("get in small letters is another method", METHOD, line(b"get / HTTP/1.1"), Saw(b"get / HTTP/1.1")),
    passes("a method of every octet of a token", METHOD, line(b"!#$%&'*+-.^_`|~09az / HTTP/1.1"),
        Saw(b"!#$%&'*+-.^_`|~09az / HTTP/1.1")),
    refused("a HEAD that is refused has no body", "X16, RFC 9110 §9.3.2", head(b"HEAD / HTTP/1.1", b"")),
    refused("a HEAD of a bad path has no body", "X16 P3", line(b"HEAD /a%2fb HTTP/1.1")),
    passes("HEAD has no body", "X16, RFC 9110 §9.3.2", line(b"HEAD / HTTP/1.1"), Saw(b"HEAD / HTTP/1.1")),
    Case("OPTIONS of the server as a whole", "P7, RFC 9112 §3.2.4", line(b"OPTIONS * HTTP/1.1"), (404,), stays=True),
    passes("OPTIONS of an absolute target", "P7 X2", line(b"OPTIONS http://app.test/a HTTP/1.1"),
        Saw(b"OPTIONS /a HTTP/1.1")),
    Case("OPTIONS that may go no further", "X13, RFC 9110 §7.6.2", head(
        b"OPTIONS / HTTP/1.1", HOST + b"Max-Forwards: 0\r\n"), (200,), stays=True),
    passes("OPTIONS that may go one further", "X13, RFC 9110 §7.6.2", head(b"OPTIONS / HTTP/1.1",
        HOST + b"Max-Forwards: 1\r\n"),
           Saw(b"OPTIONS / HTTP/1.1", (b"Max-Forwards: 0",))),
    passes("OPTIONS with no number", "X13, RFC 9110 §7.6.2", head(b"OPTIONS / HTTP/1.1", HOST + b"Max-Forwards: x\r\n"),
           Saw(b"OPTIONS / HTTP/1.1")),
]
