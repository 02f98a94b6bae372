// envoy.service.auth.v3.Authorization/Check: Envoy asks about a request, by gRPC.
import EnvoyAPI
import Gateway
import Proxy
import SwiftProtobuf

/// Answers Envoy's question: the same routes and plugins as for the proxy's own clients, nothing forwarded.
///
/// Whatever is wrong with the request that is asked about is a verdict, not a failure of the call: Envoy may be set to let
/// pass where a call fails, and a client must not be able to bring that about (security rows P5, P8).
struct CheckCall: Sendable {
    static let service = "envoy.service.auth.v3.Authorization"
    /// Octets of a question; a request's body may be in it, and is not looked at.
    static let maximumBytes = 1 << 20

    let services: AccessServices
    let trustedPeers: [AddressRange]

    /// The call for the pipeline.
    var own: OwnPath {
        OwnPath(path: "/\(Self.service)/Check", methods: [.post]) { passage throws(Refusal) in serve(passage)
        }
    }

    /// Reads the question, if whoever asks may.
    func serve(_ passage: Passage) -> Step {
        guard passage.client.isTrustedPeer else {
            return Self.refuse(CalloutPath.untrusted(passage.client), passage)
        }
        return .read(
            Reading(upTo: GRPCMessage.frameBytes + Self.maximumBytes) { passage, read throws(Refusal) in
                judge(read, passage)
            }
        )
    }

    /// Turns to the request that Envoy asks about.
    private func judge(_ read: BodyRead, _ passage: Passage) -> Step {
        guard case .whole(let body) = read else {
            return Self.refuse(.chosen(status: 413, retryAfterSeconds: nil, .init("call-too-large")), passage)
        }
        let message: [UInt8]
        do throws(GRPCMessage.Fault) {
            message = Array(try GRPCMessage.only(in: body))
        } catch {
            passage.reason = "malformed-call"
            return .answer(GRPCMessage.answer(error))
        }
        do throws(Refusal) {
            return .callout(try callout(message, passage))
        } catch {
            return Self.refuse(error, passage)
        }
    }

    private func callout(_ message: [UInt8], _ passage: Passage) throws(Refusal) -> Callout {
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        guard let question = try? EnvoyCheckRequest(serializedBytes: message, options: options) else {
            throw OriginalRequest.malformed("the message cannot be read")
        }
        let original = try OriginalRequest(
            question.attributes,
            by: passage.client,
            trusted: trustedPeers,
            limits: services.limits
        )
        guard let narrowing = CalloutNarrowing(extensions: Self.extensions(question.attributes)) else {
            throw .forbidden(.init("unknown-parameter"))
        }
        let prefix = services.authPrefix
        return Callout(original: original.head, client: original.client) { passage, verdict in
            CheckAnswer.answer(CalloutVerdict(verdict, passage, narrowing, authPrefix: prefix), passage)
        }
    }

    /// What the operator of the Envoy wrote beside the route; it can narrow who passes, and names nobody.
    private static func extensions(_ attributes: EnvoyAttributeContext) -> [QueryArguments.Pair] {
        attributes.contextExtensions.map {
            QueryArguments.Pair(
                name: String(decoding: $0.key, as: UTF8.self),
                value: String(decoding: $0.value, as: UTF8.self)
            )
        }
    }

    /// A no before anything of the request is known: in JSON, since nobody knows what its client reads.
    private static func refuse(_ refusal: Refusal, _ passage: Passage) -> Step {
        (passage.reason, passage.detail) = (refusal.reason, refusal.cause.detail)
        let answer = ErrorAnswer(acceptsHTML: false, requestID: passage.requestID).answer(refusal)
        return .answer(CheckAnswer.answer(.refused(answer, login: nil), passage))
    }
}
