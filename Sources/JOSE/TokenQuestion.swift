// A question about one token as JSON, and its answer: the shape of `gatehouse token verify`.

package import JSON
import Synchronization

/// What is asked about one token, and how it is to be judged.
package struct TokenQuestion: Sendable {
    /// Whatever the asker calls it; given back as it came.
    package var id: JSONValue?
    /// The compact form.
    package var token: [UInt8]
    /// The keys that may verify it, or open it.
    package var keys: JWKSet
    /// What it must say.
    package var expectations: TokenExpectations
    /// The moment of judgement.
    package var now: NumericDate
    /// Whether the payload may be anything, and nothing of it is judged.
    package var signatureOnly: Bool

    /// Asks about a token.
    package init(
        token: [UInt8] = [],
        keys: JWKSet = .empty,
        expectations: TokenExpectations = TokenExpectations(),
        at now: NumericDate,
        signatureOnly: Bool = false
    ) {
        self.token = token
        self.keys = keys
        self.expectations = expectations
        self.now = now
        self.signatureOnly = signatureOnly
    }
}

/// Why a question cannot be read: the member that is absent or of the wrong type, or none where it is no object.
package struct QuestionError: Error, Sendable, Equatable {
    /// The name of the member.
    package let member: String?
}

extension TokenQuestion {
    /// The question with what an object says of it in place of the defaults.
    ///
    /// Members: `id`, `token`, `jwks`, `issuer`, `audience`, `algorithms`, `at`, `leeway`, `type`,
    /// `signature_only`. `null` is as good as absent.
    package func reading(_ value: JSONValue, keys cache: JWKSetCache) throws(QuestionError) -> TokenQuestion {
        guard case .object(let all) = value else { throw QuestionError(member: nil) }
        let members = all.filter { !$0.value.isNull }
        var question = self
        question.id = members["id"]
        guard let token = members["token"]?.string else { throw QuestionError(member: "token") }
        question.token = Array(token.utf8)
        if let set = members["jwks"] { question.keys = try cache.keys(set) }
        if let issuer = members["issuer"] {
            question.expectations.issuers = try Self.texts(issuer, "issuer")
        }
        if let audience = members["audience"] {
            question.expectations.audiences = try Self.texts(audience, "audience")
        }
        if let algorithms = members["algorithms"] {
            question.expectations.allow(try Self.texts(algorithms, "algorithms"))
        }
        if let at = members["at"] { question.now = NumericDate(seconds: try Self.number(at, "at")) }
        if let leeway = members["leeway"] {
            question.expectations.leeway = try Self.number(leeway, "leeway")
            guard question.expectations.leeway >= 0 else { throw QuestionError(member: "leeway") }
        }
        if let type = members["type"] {
            guard let text = type.string else { throw QuestionError(member: "type") }
            question.expectations.type = TokenType(text)
        }
        if let only = members["signature_only"] {
            guard let only = only.bool else { throw QuestionError(member: "signature_only") }
            question.signatureOnly = only
        }
        return question
    }

    private static func texts(_ value: JSONValue, _ name: String) throws(QuestionError) -> [String] {
        guard let texts = value.string.map({ [$0] }) ?? value.strings else {
            throw QuestionError(member: name)
        }
        return texts
    }

    private static func number(_ value: JSONValue, _ name: String) throws(QuestionError) -> Double {
        guard let number = value.number, number.isFinite else { throw QuestionError(member: name) }
        return number
    }

    /// The answer to one line of JSON that asks about a token; this question holds the defaults.
    package func answer(line: [UInt8], keys cache: JWKSetCache) -> JSONValue {
        let limits = JSONLimits(maximumBytes: Self.maximumLineBytes, maximumDepth: 64)
        // The scanner takes what the parser takes, and is quicker; it leaves long lines to it.
        let scanned = (try? JSONObjectText(line))?.value
        guard let value = try? scanned ?? JSONValue(parsing: line, limits: limits) else {
            return TokenAnswer.toBadLine(id: nil, QuestionError(member: nil))
        }
        do {
            let question = try reading(value, keys: cache)
            return question.answer().json(id: question.id)
        } catch {
            return TokenAnswer.toBadLine(id: value["id"], error)
        }
    }

    /// The longest line that is read: room for tokens far beyond the limit, so that they are called too large.
    package static let maximumLineBytes = 64 << 20

    /// What each rule says of the token, where its claims are judged.
    package var rules: [RuleReport] {
        signatureOnly ? [] : TokenRules.report(on: token, keys: keys, expecting: expectations, at: now)
    }

    /// The verdict, as the contract writes it.
    package func answer() -> TokenAnswer {
        do {
            guard !signatureOnly else {
                let payload = try TokenVerifier.verifySignature(token, keys: keys, expecting: expectations)
                return TokenAnswer(
                    isValid: true,
                    members: ["header": payload.header, "payload": .string(Base64URL.encode(payload.bytes))]
                )
            }
            let token = try TokenVerifier.verifyAny(token, keys: keys, expecting: expectations, at: now)
            return TokenAnswer(
                isValid: true,
                members: [
                    "header": token.header, "claims": token.claims,
                    "unchecked": .array(token.unchecked.map(JSONValue.string)),
                ]
            )
        } catch {
            return TokenAnswer(error)
        }
    }
}

/// The verdict on one token.
package struct TokenAnswer: Sendable {
    /// Whether the token is to be taken.
    package let isValid: Bool
    private let members: [String: JSONValue]

    fileprivate init(isValid: Bool, members: [String: JSONValue]) {
        self.isValid = isValid
        self.members = members
    }

    fileprivate init(_ error: TokenError) {
        self.init(refusing: error.reason, rule: error.rule, detail: error.detail)
    }

    /// A refusal.
    init(refusing reason: String, rule: String, detail: String) {
        isValid = false
        members = ["reason": .string(reason), "rule": .string(rule), "detail": .string(detail)]
    }

    /// The claims of a valid token.
    package var claims: JSONValue? { members["claims"] }

    /// The verdict as one JSON object.
    package var json: JSONValue {
        .object(members.merging(["valid": .bool(isValid)]) { _, new in new })
    }

    /// The verdict, and what each rule says; `rules` is left out where there is none.
    package func json(rules: [RuleReport]) -> JSONValue {
        guard !rules.isEmpty, var members = json.object else { return json }
        members["rules"] = .array(
            rules.map { rule in
                [
                    "rule": .string(rule.name), "source": .string(rule.source),
                    "verdict": .string(rule.outcome.rawValue),
                ]
            }
        )
        return .object(members)
    }

    /// The verdict with the asker's name for the question.
    package func json(id: JSONValue?) -> JSONValue {
        .object((json.object ?? [:]).merging(["id": id ?? .null]) { _, new in new })
    }

    /// The answer to a line that holds no question.
    package static func toBadLine(id: JSONValue?, _ error: QuestionError) -> JSONValue {
        var members: [String: JSONValue] = ["id": id ?? .null, "valid": false, "reason": "malformed"]
        if let member = error.member {
            members["detail"] = .string("\(member) is absent or not of its type")
        }
        return .object(members)
    }
}

/// Keeps the set of keys that was read last: many questions in a row bring the same one.
package final class JWKSetCache: Sendable {
    private let last = Mutex<(value: JSONValue, keys: JWKSet)?>(nil)

    /// Remembers nothing yet.
    package init() {}

    fileprivate func keys(_ value: JSONValue) throws(QuestionError) -> JWKSet {
        if let last = last.withLock({ $0 }), last.value == value { return last.keys }
        do {
            let keys = try JWKSet(parsing: value, from: .configuration)
            last.withLock { $0 = (value, keys) }
            return keys
        } catch { throw QuestionError(member: "jwks") }
    }
}

extension TokenExpectations {
    /// Takes the named algorithms and no others; names that are unknown, `none` among them, allow nothing.
    ///
    /// The encryption of an encrypted token is narrowed only where the list names such algorithms.
    package mutating func allow(_ names: [String]) {
        algorithms = Set(names.compactMap { Algorithm(rawValue: $0) })
        let management = Set(names.compactMap { KeyManagement(rawValue: $0) })
        if !management.isEmpty { keyManagement = management }
        let contents = Set(names.compactMap { ContentEncryption(rawValue: $0) })
        if !contents.isEmpty { encryptions = contents }
    }

    /// Says whether a name is one of an algorithm that is known here.
    package static func knows(_ name: String) -> Bool {
        Algorithm(rawValue: name) != nil || KeyManagement(rawValue: name) != nil
            || ContentEncryption(rawValue: name) != nil
    }
}
