// Handshakes that ask the client for a certificate.

import NIOCore
import NIOSSL
import Synchronization

/// What serves clients that are asked for a certificate: any is taken, and none too; the rules of the route judge it.
///
/// A ticket holds the client's certificate, so a resumed session knows it still. What led from it to its authority is not
/// handed out by NIOSSL then, and is kept here. Where that grows too large, both begin anew: no session can be resumed whose
/// certificates are forgotten.
final class AskingContext: Sendable {
    private struct State {
        /// Made when first asked for: most certificates never ask.
        var context: NIOSSLContext?
        var memory = ChainMemory()
    }

    private let configuration: TLSConfiguration
    private let state = Mutex(State())
    private let rememberedBytes: Int

    /// - Parameter configuration: that of handshakes which ask for nothing.
    init(_ configuration: TLSConfiguration, rememberedBytes: Int = 4 << 20) {
        var configuration = configuration
        configuration.certificateVerification = .optionalVerification
        // Nobody is believed by the handshake; the system's authorities would only be loaded in vain.
        configuration.trustRoots = .certificates([])
        self.configuration = configuration
        self.rememberedBytes = rememberedBytes
    }

    /// What does the handshake on one connection.
    func begin() throws -> AskingHandshake {
        let (context, memory) = try self.state.withLock { state in
            if state.memory.bytes > self.rememberedBytes { state = State() }
            let context = try state.context ?? NIOSSLContext(configuration: self.configuration)
            state.context = context
            return (context, state.memory)
        }
        return AskingHandshake(context, memory)
    }
}

/// Certificates that clients sent with their own, by their own.
final class ChainMemory: Sendable {
    private let state = Mutex<(chains: [[UInt8]: [[UInt8]]], bytes: Int)>(([:], 0))

    var bytes: Int { self.state.withLock { $0.bytes } }

    func remember(_ others: [[UInt8]], of certificate: [UInt8]) {
        let size = others.reduce(certificate.count) { $0 + $1.count }
        self.state.withLock { state in
            if state.chains.updateValue(others, forKey: certificate) == nil { state.bytes += size }
        }
    }

    func others(of certificate: [UInt8]) -> [[UInt8]] {
        self.state.withLock { $0.chains[certificate] ?? [] }
    }
}

/// One handshake that asks.
final class AskingHandshake {
    /// What the client presents, until it is asked for.
    private final class Presented {
        var chain: [NIOSSLCertificate] = []
    }

    let handler: NIOSSLServerHandler
    private let presented: Presented
    let memory: ChainMemory

    init(_ context: NIOSSLContext, _ memory: ChainMemory) {
        let presented = Presented()
        self.presented = presented
        self.memory = memory
        // That the client holds the key is proven by the handshake itself, whatever is said here.
        self.handler = NIOSSLServerHandler(context: context) { chain, promise in
            presented.chain = chain
            promise.succeed(.certificateVerified)
        }
    }

    /// The client's certificate once the handshake is done; nil if it has shown none.
    ///
    /// - Throws: if what it has shown cannot be read.
    func certificate() throws -> ClientCertificate? {
        defer { self.presented.chain = [] }
        guard let own = self.handler.peerCertificate else { return nil }
        let der = try own.toDERBytes()
        guard !self.presented.chain.isEmpty else {
            return ClientCertificate(der: der, others: self.memory.others(of: der))
        }
        let others = try self.presented.chain.dropFirst().map { try $0.toDERBytes() }
        if !others.isEmpty { self.memory.remember(others, of: der) }
        return ClientCertificate(der: der, others: others)
    }
}
