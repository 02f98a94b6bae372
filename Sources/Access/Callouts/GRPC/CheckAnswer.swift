// A verdict in the words of Envoy's authorization API.
import EnvoyAPI
import Gateway
import Proxy
import SwiftProtobuf

/// Makes an answer of gRPC of what came out; decides nothing.
enum CheckAnswer {
    /// The answer to a call.
    static func answer(_ verdict: CalloutVerdict, _ passage: Passage) -> Answer {
        switch verdict {
        case .passes(let pass):
            guard let query = QueryDifference(passage) else {
                passage.reason = "unsendable-query"
                let refusal = Refusal.forbidden(.init("unsendable-query"))
                return denied(ErrorAnswer(passage).answer(refusal), passage)
            }
            return passed(pass, query, passage)
        case .refused:
            // The other Envoy door has the same way to a login, and hands on any status.
            return denied(CalloutDoor.externalAuthorization("").answer(verdict), passage)
        }
    }

    // MARK: Yes

    private static func passed(_ pass: CalloutPass, _ query: QueryDifference, _ passage: Passage) -> Answer {
        var said = EnvoyOkHttpResponse()
        // The token is in `Authorization`, where the plugin wants the upstream to have it (security row H6).
        var writer = HeaderWriter { $0.hasPrefix("x-auth-request-") || removes(passage.upstream, $0) }
        pass.forEachIdentity { name, value in if !value.isEmpty { writer.add(name, value) } }
        said.headers = writer.options
        said.headersToRemove = pass.takenOff.names
        if !pass.takenOff.contains(ToldIdentity.accessToken) {
            said.headersToRemove.append(ToldIdentity.accessToken.description)
        }
        said.responseHeadersToAdd = added(passage)
        said.queryParametersToSet = query.set.map { name, value in
            var parameter = EnvoyQueryParameter()
            (parameter.key, parameter.value) = (name, value)
            return parameter
        }
        said.queryParametersToRemove = query.removed
        var response = EnvoyCheckResponse()
        response.status = EnvoyStatus()
        response.okResponse = said
        if let metadata = metadata(passage.identity) { response.dynamicMetadata = metadata }
        return answer(response, meaning: 200, passage)
    }

    /// Fields of whatever answer the client gets; the upstream's own cookies stay beside ours.
    private static func added(_ passage: Passage) -> [EnvoyHeaderValueOption] {
        var writer = HeaderWriter { name in removes(passage.answer, name) }
        for (name, value) in passage.answer.added { writer.add(name, value) }
        return writer.options
    }

    private static func removes(_ edits: FieldEdits, _ name: String) -> Bool {
        FieldName(name).map { edits.removes($0) } ?? false
    }

    /// Who it is, for Envoy's log and its other filters; never a token.
    private static func metadata(_ identity: Identity?) -> Google_Protobuf_Struct? {
        guard let identity else { return nil }
        let facts = [
            ("issuer", identity.issuer), ("sub", identity.issuer == nil ? nil : identity.subject),
            ("consumer", identity.consumer.map { $0.username ?? $0.id }),
        ]
        var metadata = Google_Protobuf_Struct()
        for (name, text) in facts {
            if let text { metadata.fields[name] = Google_Protobuf_Value(stringValue: text) }
        }
        return metadata.fields.isEmpty ? nil : metadata
    }

    // MARK: No

    /// Fields that Envoy writes itself.
    private static let ofTheHop: Set = [
        "connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade",
    ]

    private static func denied(_ answer: Answer, _ passage: Passage) -> Answer {
        var said = EnvoyDeniedHttpResponse()
        said.status.code = Int32(clamping: answer.status)
        said.body = String(decoding: answer.body, as: UTF8.self)
        // The first of a name takes the place of what Envoy would say itself.
        var writer = HeaderWriter { $0.lowercased() != "set-cookie" }
        for (name, value) in answer.fields
        where !ofTheHop.contains(name.lowercased()) && !removes(passage.answer, name) {
            writer.add(name, value)
        }
        for (name, value) in passage.answer.added { writer.add(name, value) }
        said.headers = writer.options
        var response = EnvoyCheckResponse()
        // A redirect leads to a login.
        response.status.code = answer.status < 400 ? 16 : Int32(clamping: GRPCStatus.code(answer.status))
        response.deniedResponse = said
        return Self.answer(response, meaning: answer.status, passage)
    }

    private static func answer(
        _ response: EnvoyCheckResponse,
        meaning: Int,
        _ passage: Passage
    ) -> Answer {
        // They are told within the message: those of the call itself are nobody's.
        passage.answer.reset()
        guard let octets: [UInt8] = try? response.serializedBytes() else {
            passage.reason = "unsendable-verdict"
            return ErrorAnswer(acceptsHTML: false, requestID: passage.requestID).answer(
                500,
                "Unsendable verdict"
            )
        }
        return GRPCMessage.answer(octets, meaning: meaning)
    }
}

/// Writes fields in Envoy's form: the first of a name in the place of what is there, if it shall, others after it.
private struct HeaderWriter {
    private(set) var options: [EnvoyHeaderValueOption] = []
    private var names: Set<String> = []
    private let replaces: (String) -> Bool

    /// - Parameter replaces: whether a field of that name takes the place of what is there.
    init(replaces: @escaping (String) -> Bool) { self.replaces = replaces }

    mutating func add(_ name: String, _ value: String) {
        var option = EnvoyHeaderValueOption()
        let isFirst = names.insert(name.lowercased()).inserted
        (option.header.key, option.header.value) = (name.lowercased(), value)
        option.appendAction = isFirst && replaces(name) ? .overwriteIfExistsOrAdd : .appendIfExistsOrAdd
        options.append(option)
    }
}
