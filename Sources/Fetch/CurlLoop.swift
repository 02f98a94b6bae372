// The one thread that runs curl_multi.
import CCurl
import Glibc
import Synchronization

/// A request that was checked, with what it may dial.
struct Transfer: Sendable {
    let request: FetchRequest
    let address: WebAddress
    let addresses: AddressPolicy

    /// A transfer that was judged elsewhere.
    init(_ request: FetchRequest, at address: WebAddress, dialling addresses: AddressPolicy) {
        self.request = request
        self.address = address
        self.addresses = addresses
    }

    /// Judges `request` before libcurl hears of it.
    init(_ request: FetchRequest) throws(FetchError) {
        let address = try WebAddress(request.url)
        let policy = request.policy
        let isHTTP = address.scheme == "http"
        guard !isHTTP || policy.plainHTTP == .any || address.isLoopback else { throw .plainHTTPRefused }
        let isNamed = policy.linkLocalHosts.contains(address.host)
        guard isNamed || AddressKind(literal: address.host) != .refused else { throw .addressRefused }
        guard request.method.utf8.allSatisfy({ (0x41...0x5a).contains($0) }), !request.method.isEmpty,
            request.fields.allSatisfy({ Self.isSendable($0.0, $0.1) })
        else { throw .invalidField }
        let isProxied = policy.proxies.proxy(for: address) != nil
        self.request = request
        self.address = address
        // Through a proxy it is the proxy that is dialled, which the configuration names.
        self.addresses = AddressPolicy(
            loopbackOnly: isHTTP && policy.plainHTTP == .loopback && !isProxied,
            allowsRefused: isNamed || isProxied
        )
    }

    /// Whether a field can be written without ending its line or naming another (RFC 9110 §5.1, §5.5).
    private static func isSendable(_ name: String, _ value: String) -> Bool {
        let marks = Array("!#$%&'*+-.^_`|~".utf8)
        let isToken = name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                || marks.contains(byte)
        }
        return isToken && !name.isEmpty && value.utf8.allSatisfy { $0 == 9 || ($0 >= 32 && $0 != 127) }
    }
}

/// Runs every transfer of one client on a thread of its own; the rest of the program only hands over and waits.
final class CurlLoop: Sendable {
    private typealias Answer = CheckedContinuation<Result<FetchResponse, FetchError>, Never>

    private struct Order: Sendable {
        let id: UInt64
        let transfer: Transfer
        let answer: Answer
    }

    /// How far a caller's order has come; needed because a cancellation may overtake it.
    private enum Stage: Sendable { case announced, cancelled, underWay }

    private struct Inbox: Sendable {
        var next: UInt64 = 0
        var stages: [UInt64: Stage] = [:]
        var orders: [Order] = []
        var cancelled: [UInt64] = []
        var isClosed = false
    }

    private let inbox = Mutex(Inbox())
    private let multi: MultiHandle

    init() throws(FetchError) { self.multi = try MultiHandle() }

    /// Starts the thread, which keeps the loop alive until `close`.
    func start() throws(FetchError) {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let code = unsafe pthread_create(
            &thread,
            nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<CurlLoop>.fromOpaque(context).takeRetainedValue().serve()
                return nil
            },
            context
        )
        guard code == 0 else {
            unsafe Unmanaged<CurlLoop>.fromOpaque(context).release()
            throw .other(code: UInt32(code))
        }
        pthread_detach(thread)
    }

    /// Ends the thread; whoever waits gets `closed`.
    func close() {
        self.inbox.withLock { $0.isClosed = true }
        self.multi.wake()
    }

    /// Runs one transfer; returns early as `cancelled` when the caller's task is.
    func run(_ transfer: Transfer) async throws(FetchError) -> FetchResponse {
        let id = self.inbox.withLock { inbox in
            inbox.next += 1
            inbox.stages[inbox.next] = .announced
            return inbox.next
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (answer: Answer) in
                self.submit(Order(id: id, transfer: transfer, answer: answer))
            }
        } onCancel: {
            self.cancel(id)
        }
        return try result.get()
    }

    private func submit(_ order: Order) {
        let refusal: FetchError? = self.inbox.withLock { inbox in
            if inbox.isClosed || inbox.stages[order.id] == .cancelled {
                inbox.stages[order.id] = nil
                return inbox.isClosed ? .closed : .cancelled
            }
            inbox.stages[order.id] = .underWay
            inbox.orders.append(order)
            return nil
        }
        if let refusal { order.answer.resume(returning: .failure(refusal)) } else { self.multi.wake() }
    }

    private func cancel(_ id: UInt64) {
        let isUnderWay = self.inbox.withLock { inbox in
            switch inbox.stages[id] {
            case .announced: inbox.stages[id] = .cancelled
            case .underWay: inbox.cancelled.append(id)
            case .cancelled, nil: return false
            }
            return true
        }
        if isUnderWay { self.multi.wake() }
    }

    // MARK: On the thread

    private struct Running {
        let id: UInt64
        let handle: CurlHandle
        let answer: Answer
    }

    /// The thread's life: take what came in, let libcurl work, give out what ended, wait.
    private func serve() {
        var running: [UInt: Running] = [:]
        while true {
            let (orders, cancelled, isClosed) = self.inbox.withLock { inbox in
                defer { (inbox.orders, inbox.cancelled) = ([], []) }
                return (inbox.orders, inbox.cancelled, inbox.isClosed)
            }
            for order in orders { self.begin(order, &running) }
            for id in cancelled {
                guard let name = running.first(where: { $0.value.id == id })?.key else { continue }
                self.end(name, .failure(.cancelled), &running)
            }
            if isClosed { break }
            self.multi.perform()
            while let (name, code) = self.multi.nextFinished() {
                guard let transfer = running[name] else { continue }
                self.end(name, transfer.handle.result(code), &running)
            }
            self.multi.wait(milliseconds: 10_000)
        }
        for name in Array(running.keys) { self.end(name, .failure(.closed), &running) }
    }

    private func begin(_ order: Order, _ running: inout [UInt: Running]) {
        do throws(FetchError) {
            let handle = try CurlHandle(order.transfer)
            try self.multi.add(handle)
            running[handle.name] = Running(id: order.id, handle: handle, answer: order.answer)
        } catch {
            self.inbox.withLock { $0.stages[order.id] = nil }
            order.answer.resume(returning: .failure(error))
        }
    }

    private func end(
        _ name: UInt,
        _ result: Result<FetchResponse, FetchError>,
        _ running: inout [UInt: Running]
    ) {
        guard let transfer = running.removeValue(forKey: name) else { return }
        self.multi.remove(transfer.handle)
        self.inbox.withLock { $0.stages[transfer.id] = nil }
        transfer.answer.resume(returning: result)
    }
}

/// Owns a `CURLM*`; freed when it dies.
// SAFETY: every method runs on the loop's thread alone, but `wake`, which libcurl lets any thread call
// while the handle lives (curl_multi_wakeup(3)); `deinit` runs when nobody holds the handle any more.
@safe private final class MultiHandle: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer
    private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    init() throws(FetchError) {
        guard Self.isLibraryReady, let handle = unsafe curl_multi_init() else {
            throw .other(code: CURLE_FAILED_INIT.rawValue)
        }
        unsafe self.handle = handle
        for (option, value) in [
            (CURLMOPT_MAX_TOTAL_CONNECTIONS, 256), (CURLMOPT_MAX_HOST_CONNECTIONS, 32),
            (CURLMOPT_MAXCONNECTS, 64), (CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX)),
        ] {
            guard unsafe ccurl_multi_setopt_long(handle, option, value) == CURLM_OK else {
                throw .other(code: CURLE_FAILED_INIT.rawValue)
            }
        }
    }

    deinit { unsafe curl_multi_cleanup(self.handle) }

    func wake() { _ = unsafe curl_multi_wakeup(self.handle) }

    func add(_ easy: CurlHandle) throws(FetchError) {
        let code = unsafe easy.withHandle { unsafe curl_multi_add_handle(self.handle, $0) }
        guard code == CURLM_OK else { throw .other(code: CURLE_FAILED_INIT.rawValue) }
    }

    func remove(_ easy: CurlHandle) {
        _ = unsafe easy.withHandle { unsafe curl_multi_remove_handle(self.handle, $0) }
    }

    func perform() {
        var count: Int32 = 0
        _ = unsafe curl_multi_perform(self.handle, &count)
    }

    /// The next transfer that ended, by its handle's name, and how.
    func nextFinished() -> (name: UInt, code: CURLcode)? {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(self.handle, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE else { continue }
            return unsafe (UInt(bitPattern: message.pointee.easy_handle), message.pointee.data.result)
        }
        return nil
    }

    func wait(milliseconds: Int32) {
        var count: Int32 = 0
        _ = unsafe curl_multi_poll(self.handle, nil, 0, milliseconds, &count)
    }
}
