// A server that misbehaves on demand, and an environment that means no good.
import Foundation

/// A Python process that serves http and https on loopback ports and ends with its standard input.
struct HostileServer: Sendable {
    let port: Int
    let tlsPort: Int
    let oldTLSPort: Int
    let certificateFile: String

    var http: String { "http://127.0.0.1:\(self.port)" }

    /// The one server of the whole run; it dies with this process, which holds its standard input.
    static let shared = Result { try HostileServer() }

    private init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "fetch-\(UUID().uuidString)"
        )
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        Self.spoilEnvironment(home: folder)
        let script = folder.appendingPathComponent("server.py")
        try Data(Self.script.utf8).write(to: script)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script.path, folder.path]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var line = ""
        while !line.hasSuffix("\n") {
            guard let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty else { break }
            line += String(decoding: byte, as: UTF8.self)
        }
        let ports = line.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
        guard ports.count == 3 else { throw CocoaError(.executableLoad) }
        (self.port, self.tlsPort, self.oldTLSPort) = (ports[0], ports[1], ports[2])
        self.certificateFile = folder.appendingPathComponent("cert.pem").path
        // The pipe's write end stays open for as long as this process lives.
        Self.keepOpen(input)
    }

    private static func keepOpen(_ pipe: Pipe) { _ = dup(pipe.fileHandleForWriting.fileDescriptor) }

    /// Everything that libcurl or its tool would take from the environment, set against us (E9).
    private static func spoilEnvironment(home: URL) {
        for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            unsafe setenv(name, "http://127.0.0.1:1", 1)
        }
        unsafe setenv("no_proxy", "nowhere.example", 1)
        unsafe setenv("HOME", home.path, 1)
        let login = "machine 127.0.0.1 login eve password stolen\n"
        try? Data(login.utf8).write(to: home.appendingPathComponent(".netrc"))
        try? Data("location\ninsecure\n".utf8).write(to: home.appendingPathComponent(".curlrc"))
    }

    private static let script = #"""
        import gzip, http.server, json, os, ssl, subprocess, sys, threading, time, urllib.parse
        folder = sys.argv[1]
        BOMB = gzip.compress(b"\0" * (50 << 20))

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *_): pass
            def send(self, status, body=b"", fields=()):
                self.send_response(status)
                for name, value in fields: self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD": self.wfile.write(body)
            def raw(self, data):
                self.close_connection = True
                self.wfile.write(data); self.wfile.flush()
            def do(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size).decode()
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                path = url.path
                if path == "/echo":
                    answer = {"method": self.command, "target": self.path, "body": body,
                              "fields": {k.lower(): v for k, v in self.headers.items()}}
                    self.send(200, json.dumps(answer).encode(),
                              [("Content-Type", "application/json"), ("Set-Cookie", "tossed=1; Path=/")])
                elif path == "/bytes":
                    self.send(200, b"x" * int(query["n"]))
                elif path == "/unannounced":
                    self.raw(b"HTTP/1.1 200 OK\r\n\r\n")
                    try:
                        for _ in range(160): self.wfile.write(b"x" * 65536)
                    except OSError: pass
                elif path == "/bomb":
                    self.send(200, BOMB, [("Content-Encoding", "gzip")])
                elif path == "/zipped":
                    self.send(200, gzip.compress(b"unpacked"), [("Content-Encoding", "gzip")])
                elif path == "/badzip":
                    self.send(200, b"no gzip at all", [("Content-Encoding", "gzip")])
                elif path == "/never":
                    time.sleep(30)
                elif path == "/drip":
                    self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    try:
                        for _ in range(60): self.wfile.write(b"x"); self.wfile.flush(); time.sleep(0.2)
                    except OSError: pass
                elif path == "/garbage": self.raw(b"SSH-2.0-OpenSSH_9.2\r\n\x00\x01\x02")
                elif path == "/empty": self.close_connection = True
                elif path == "/cut": self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")
                elif path == "/head":
                    fields = [("X-%d" % i, "y" * 1000) for i in range(int(query["n"]))]
                    self.send(200, b"", fields)
                elif path == "/again":
                    n = int(query["n"])
                    self.send(302, b"", [("Location", "/again?n=%d" % (n - 1) if n > 1 else "/echo")])
                elif path == "/to":
                    self.send(int(query.get("status", 302)), b"", [("Location", query["u"])])
                else: self.send(404, b"nothing here", [("X-Two", "a"), ("x-two", " b ")])
            do_GET = do_POST = do_HEAD = do_PUT = do

        def serve(wrap=None):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.handle_error = lambda *_: None
            server.daemon_threads = True
            if wrap: server.socket = wrap.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            return server.server_address[1]

        cert, key = folder + "/cert.pem", folder + "/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-keyout", key, "-out", cert, "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
        modern = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); modern.load_cert_chain(cert, key)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); old.load_cert_chain(cert, key)
        old.set_ciphers("ALL:@SECLEVEL=0")
        import warnings; warnings.simplefilter("ignore")
        old.minimum_version = ssl.TLSVersion.TLSv1; old.maximum_version = ssl.TLSVersion.TLSv1_1
        print(serve(), serve(modern), serve(old), flush=True)
        sys.stdin.read()
        os._exit(0)
        """#
}
