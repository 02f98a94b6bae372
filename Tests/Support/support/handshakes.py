"""TLS clients that say what they saw."""
import socket
import ssl

from cryptography import x509


class Handshake:
    """One connection with a name in its handshake; nothing is verified unless an authority is given."""

    def __init__(self, port: int, name: str | None = None, authority: str | None = None, session=None, context=None,
                 **options):
        self.context = context or client_context(authority, **options)
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        try:
            self.socket = self.context.wrap_socket(raw, server_hostname=name, session=session)
        except BaseException:
            raw.close()
            raise

    @property
    def serial(self) -> int:
        """The number of the certificate that was shown."""
        return x509.load_der_x509_certificate(self.socket.getpeercert(binary_form=True)).serial_number

    def get(self, path: str = "/", host: str = "localhost", close: bool = False) -> bytes:
        """One request; the answer's head and what came with its body by `Content-Length`."""
        more = "Connection: close\r\n" if close else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.some()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                       if line.startswith(b"content-length:")), 0)
        while len(body) < length:
            body += self.some()
        return head + b"\r\n\r\n" + body

    def some(self) -> bytes:
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("closed amid an answer")
        return part

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def client_context(authority: str | None = None, alpn: list[str] | None = None, newest=None, oldest=None,
                   ciphers: str | None = None) -> ssl.SSLContext:
    """What a client brings to a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(cadata=authority)
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if oldest:
        context.minimum_version = oldest
    if newest:
        context.maximum_version = newest
    if ciphers:
        context.set_ciphers(ciphers)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context
