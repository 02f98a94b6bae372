// Owns an easy handle, its lists and its callbacks.
import CCurl
import Glibc

/// What a transfer has received so far; libcurl's callbacks write into it, on the loop's thread alone.
final class TransferState {
    static let maximumHeadBytes = 64 << 10
    let maximumBodyBytes: Int
    let addresses: AddressPolicy
    private(set) var body: [UInt8] = []
    private(set) var fields: [(String, String)] = []
    private(set) var failure: FetchError?
    private var headBytes = 0

    init(maximumBodyBytes: Int, addresses: AddressPolicy) {
        self.maximumBodyBytes = maximumBodyBytes
        self.addresses = addresses
    }

    /// Takes a piece of decoded body; false ends the transfer.
    func take(body piece: UnsafeRawBufferPointer) -> Bool {
        guard self.body.count + piece.count <= self.maximumBodyBytes else {
            self.failure = .bodyTooLarge(limit: self.maximumBodyBytes)
            return false
        }
        unsafe self.body.append(contentsOf: piece)
        return true
    }

    /// Takes one line of a head; a status line begins a new head.
    func take(line bytes: UnsafeRawBufferPointer) -> Bool {
        self.headBytes += bytes.count
        guard self.headBytes <= Self.maximumHeadBytes else {
            self.failure = .headTooLarge(limit: Self.maximumHeadBytes)
            return false
        }
        let line = unsafe String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") { self.fields = [] }
        guard let colon = line.firstIndex(of: ":"), !line.hasPrefix("HTTP/") else { return true }
        let blank: (Character) -> Bool = {
            $0 == " " || $0 == "\t" || $0 == "\r\n" || $0 == "\r" || $0 == "\n"
        }
        let value = line[line.index(after: colon)...].drop(while: blank)
        let end = value.lastIndex { !blank($0) }.map { value.index(after: $0) } ?? value.startIndex
        self.fields.append((String(line[..<colon]), String(value[..<end])))
        return true
    }

    /// Judges the address of a socket that is about to be opened.
    func mayDial(_ kind: AddressKind) -> Bool {
        guard self.addresses.allows(kind) else {
            self.failure = .addressRefused
            return false
        }
        return true
    }
}

/// Owns a `CURL*` set up for one transfer; used on the loop's thread alone, freed when it dies.
@safe final class CurlHandle {
    private let handle: UnsafeMutableRawPointer
    private var lists: [UnsafeMutablePointer<curl_slist>] = unsafe []
    private let state: TransferState

    /// Sets everything that the transfer may do; nothing is left to libcurl's defaults that matters (E9).
    init(_ transfer: Transfer) throws(FetchError) {
        guard let handle = unsafe curl_easy_init() else { throw .other(code: CURLE_FAILED_INIT.rawValue) }
        unsafe self.handle = handle
        self.state = TransferState(
            maximumBodyBytes: transfer.request.maximumBodyBytes,
            addresses: transfer.addresses
        )
        try self.setTarget(transfer)
        try self.setLimits(transfer.request)
        try self.setTrust(transfer)
        try self.setMessage(transfer.request)
        try self.setProxy(transfer)
        try self.setCallbacks()
    }

    deinit {
        unsafe curl_easy_cleanup(self.handle)
        while let list = unsafe self.lists.popLast() { unsafe curl_slist_free_all(list) }
    }

    /// Gives the handle to `body`, for the multi handle that runs it.
    func withHandle<R>(_ body: (UnsafeMutableRawPointer) -> R) -> R { unsafe body(self.handle) }

    /// Names the handle among those of one multi handle.
    var name: UInt { unsafe UInt(bitPattern: self.handle) }

    /// What became of the transfer, once libcurl says that it ended with `code`.
    func result(_ code: CURLcode) -> Result<FetchResponse, FetchError> {
        if let failure = self.state.failure { return .failure(failure) }
        // What its Content-Length announces is too large before a byte of it came.
        guard code != CURLE_FILESIZE_EXCEEDED else {
            return .failure(.bodyTooLarge(limit: self.state.maximumBodyBytes))
        }
        guard code == CURLE_OK else { return .failure(FetchError(code)) }
        var status = 0
        guard unsafe ccurl_getinfo_long(self.handle, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK,
            (100...599).contains(status)
        else { return .failure(.garbled) }
        return .success(
            FetchResponse(status: status, fields: self.state.fields, body: self.state.body)
        )
    }

    // MARK: Options

    private func setTarget(_ transfer: Transfer) throws(FetchError) {
        try self.set(CURLOPT_URL, text: transfer.address.text)
        try self.set(CURLOPT_PROTOCOLS_STR, text: transfer.address.scheme)
        try self.set(CURLOPT_REDIR_PROTOCOLS_STR, text: "https")
        try self.set(CURLOPT_FOLLOWLOCATION, 0)
        try self.set(CURLOPT_NETRC, 0)
        try self.set(CURLOPT_NOSIGNAL, 1)
        // Without it, taking a transfer away waits for the resolver's thread: for everybody's transfers.
        try self.set(CURLOPT_QUICK_EXIT, 1)
        let version = transfer.request.policy.offersHTTP2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1
        try self.set(CURLOPT_HTTP_VERSION, Int(version))
        try self.set(CURLOPT_HTTP09_ALLOWED, 0)
        try self.set(CURLOPT_ACCEPT_ENCODING, text: "gzip")
        try self.set(CURLOPT_USERAGENT, text: "gatehouse")
    }

    private func setLimits(_ request: FetchRequest) throws(FetchError) {
        let milliseconds = max(1, Int((min(request.timeoutSeconds, 3600) * 1000).rounded()))
        try self.set(CURLOPT_TIMEOUT_MS, milliseconds)
        try self.set(CURLOPT_CONNECTTIMEOUT_MS, min(milliseconds, 5000))
        try self.set(CURLOPT_LOW_SPEED_LIMIT, 16)
        try self.set(CURLOPT_LOW_SPEED_TIME, max(1, milliseconds / 2000))
        let bytes = curl_off_t(request.maximumBodyBytes)
        guard unsafe ccurl_setopt_size(self.handle, CURLOPT_MAXFILESIZE_LARGE, bytes) == CURLE_OK else {
            throw .other(code: CURLE_BAD_FUNCTION_ARGUMENT.rawValue)
        }
    }

    private func setTrust(_ transfer: Transfer) throws(FetchError) {
        let policy = transfer.request.policy
        for option in [CURLOPT_SSL_VERIFYPEER, CURLOPT_PROXY_SSL_VERIFYPEER] {
            try self.set(option, policy.verifiesTLS ? 1 : 0)
        }
        for option in [CURLOPT_SSL_VERIFYHOST, CURLOPT_PROXY_SSL_VERIFYHOST] {
            try self.set(option, policy.verifiesTLS ? 2 : 0)
        }
        try self.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if let certificate = transfer.request.certificate { try self.show(certificate) }
        guard let file = policy.caFile else { return }
        guard unsafe access(file, R_OK) == 0 else { throw .authoritiesUnreadable }
        try self.set(CURLOPT_CAINFO, text: file)
        try self.set(CURLOPT_PROXY_CAINFO, text: file)
        try self.set(CURLOPT_CAPATH, text: nil)
        try self.set(CURLOPT_PROXY_CAPATH, text: nil)
    }

    /// Shows a certificate to the server; libcurl uses no connection again that was made with another one.
    private func show(_ certificate: FetchCertificate) throws(FetchError) {
        try self.set(CURLOPT_SSLCERTTYPE, text: "PEM")
        try self.set(CURLOPT_SSLKEYTYPE, text: "PEM")
        // An empty passphrase: without one libcrypto would ask at the terminal.
        try self.set(CURLOPT_KEYPASSWD, text: "")
        try self.set(CURLOPT_SSLCERT_BLOB, blob: certificate.chain)
        try self.set(CURLOPT_SSLKEY_BLOB, blob: certificate.key)
    }

    private func setMessage(_ request: FetchRequest) throws(FetchError) {
        switch request.method {
        case "GET": try self.set(CURLOPT_HTTPGET, 1)
        case "HEAD": try self.set(CURLOPT_NOBODY, 1)
        case "POST": try self.set(CURLOPT_POST, 1)
        default: try self.set(CURLOPT_CUSTOMREQUEST, text: request.method)
        }
        if !request.body.isEmpty || request.method == "POST" { try self.setBody(request.body) }
        // An empty Expect: libcurl would wait a second for "100 Continue" before a large body.
        var lines = ["Expect:"]
        for (name, value) in request.fields {
            lines.append(value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        try self.set(CURLOPT_HTTPHEADER, lines: lines)
    }

    private func setBody(_ body: [UInt8]) throws(FetchError) {
        let size = curl_off_t(body.count)
        guard unsafe ccurl_setopt_size(self.handle, CURLOPT_POSTFIELDSIZE_LARGE, size) == CURLE_OK else {
            throw .other(code: CURLE_BAD_FUNCTION_ARGUMENT.rawValue)
        }
        var copy = body.isEmpty ? [0] : body
        let code = unsafe copy.withUnsafeMutableBytes { bytes in
            unsafe ccurl_setopt_pointer(self.handle, CURLOPT_COPYPOSTFIELDS, bytes.baseAddress)
        }
        guard code == CURLE_OK else { throw .other(code: code.rawValue) }
    }

    /// Names the proxy, or an empty one: with none named, libcurl would take the environment's.
    private func setProxy(_ transfer: Transfer) throws(FetchError) {
        let proxy = transfer.request.policy.proxies.proxy(for: transfer.address)
        try self.set(CURLOPT_PROXY, text: proxy?.url ?? "")
        try self.set(CURLOPT_NOPROXY, text: "")
        guard let proxy else { return }
        try self.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        try self.set(CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
        guard let authorization = proxy.authorization else { return }
        try self.set(CURLOPT_PROXYHEADER, lines: ["Proxy-Authorization: \(authorization)"])
    }

    private func setCallbacks() throws(FetchError) {
        let context = unsafe Unmanaged.passUnretained(self.state).toOpaque()
        let codes = unsafe [
            ccurl_setopt_write(self.handle, CURLOPT_WRITEFUNCTION, receiveBody),
            ccurl_setopt_pointer(self.handle, CURLOPT_WRITEDATA, context),
            ccurl_setopt_write(self.handle, CURLOPT_HEADERFUNCTION, receiveLine),
            ccurl_setopt_pointer(self.handle, CURLOPT_HEADERDATA, context),
            ccurl_setopt_opensocket(self.handle, openSocket),
            ccurl_setopt_pointer(self.handle, CURLOPT_OPENSOCKETDATA, context),
        ]
        guard let bad = codes.first(where: { $0 != CURLE_OK }) else { return }
        throw .other(code: bad.rawValue)
    }

    private func set(_ option: CURLoption, _ value: Int) throws(FetchError) {
        let code = unsafe ccurl_setopt_long(self.handle, option, value)
        guard code == CURLE_OK else { throw .other(code: code.rawValue) }
    }

    private func set(_ option: CURLoption, text: String?) throws(FetchError) {
        guard text?.utf8.contains(0) != true else { throw .invalidField }
        let code = unsafe ccurl_setopt_text(self.handle, option, text)
        guard code == CURLE_OK else { throw .other(code: code.rawValue) }
    }

    private func set(_ option: CURLoption, blob: [UInt8]) throws(FetchError) {
        let code = unsafe blob.withUnsafeBytes { bytes in
            unsafe ccurl_setopt_blob(self.handle, option, bytes.baseAddress, bytes.count)
        }
        guard code == CURLE_OK else { throw .other(code: code.rawValue) }
    }

    private func set(_ option: CURLoption, lines: [String]) throws(FetchError) {
        var list: UnsafeMutablePointer<curl_slist>?
        for line in lines {
            guard let longer = unsafe curl_slist_append(list, line) else {
                unsafe curl_slist_free_all(list)
                throw .other(code: CURLE_OUT_OF_MEMORY.rawValue)
            }
            unsafe list = longer
        }
        guard let list = unsafe list else { return }
        unsafe self.lists.append(list)
        let code = unsafe ccurl_setopt_list(self.handle, option, list)
        guard code == CURLE_OK else { throw .other(code: code.rawValue) }
    }
}

// MARK: Callbacks

/// Receives a piece of body; any other number than its size ends the transfer.
private func receiveBody(
    _ bytes: UnsafeMutablePointer<CChar>?,
    _ size: Int,
    _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context = unsafe context else { return 0 }
    let state = unsafe Unmanaged<TransferState>.fromOpaque(context).takeUnretainedValue()
    let piece = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
    return unsafe state.take(body: piece) ? size * count : 0
}

/// Receives one line of a head.
private func receiveLine(
    _ bytes: UnsafeMutablePointer<CChar>?,
    _ size: Int,
    _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context = unsafe context else { return 0 }
    let state = unsafe Unmanaged<TransferState>.fromOpaque(context).takeUnretainedValue()
    let line = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
    return unsafe state.take(line: line) ? size * count : 0
}

/// Opens a socket to an address that the policy allows.
private func openSocket(
    _ context: UnsafeMutableRawPointer?,
    _ purpose: curlsocktype,
    _ target: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
    guard let context = unsafe context, let target = unsafe target,
        let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr)
    else { return CURL_SOCKET_BAD }
    let state = unsafe Unmanaged<TransferState>.fromOpaque(context).takeUnretainedValue()
    let (family, length) = unsafe (target.pointee.family, Int(target.pointee.addrlen))
    // The address is longer than the struct says it is: `addr` is only its first 16 bytes.
    let start = unsafe UnsafeRawPointer(target).advanced(by: offset)
    let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: length))
    let kind: AddressKind? =
        switch (family, length) {
        case (AF_INET, 8...): AddressKind(v4: Array(bytes[4..<8]))
        case (AF_INET6, 24...): AddressKind(v6: Array(bytes[8..<24]))
        default: nil
        }
    guard let kind, state.mayDial(kind) else { return CURL_SOCKET_BAD }
    let type = unsafe target.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue)
    return unsafe socket(family, type, target.pointee.protocol)
}

extension FetchError {
    /// Sorts libcurl's codes by what a caller can do about them.
    fileprivate init(_ code: CURLcode) {
        switch code {
        case CURLE_URL_MALFORMAT: self = .invalidURL
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .unresolvable
        case CURLE_COULDNT_CONNECT: self = .connectionRefused
        case CURLE_OPERATION_TIMEDOUT: self = .timedOut
        case CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR: self = .authoritiesUnreadable
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CIPHER, CURLE_SSL_CERTPROBLEM,
            CURLE_USE_SSL_FAILED:
            self = .tlsFailed
        // Other schemes were refused before: this code then means an answer that is no HTTP ("HTTP/0.9").
        case CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING, CURLE_UNSUPPORTED_PROTOCOL, CURLE_HTTP2,
            CURLE_HTTP2_STREAM:
            self = .garbled
        case CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR: self = .connectionLost
        default: self = .other(code: code.rawValue)
        }
    }
}
