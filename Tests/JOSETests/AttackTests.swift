// Every attack is refused with its own word (J1 to J10, B1 to B11, P5, S3).
import JSON
import Testing

@testable import JOSE

struct AttackTests {
    static let table = Result { try AttackTable() }

    static var attacks: [Attack] { (try? table.get())?.attacks ?? [] }

    @Test func `the table is whole`() throws {
        let attacks = try Self.table.get().attacks
        #expect(attacks.count >= 250)
        let kinds = Dictionary(grouping: attacks) { $0.kind.prefix { $0 != "(" } }
        #expect(kinds.count >= 18)
        #expect(kinds.allSatisfy { $0.value.count >= 3 }, "\(kinds.mapValues(\.count))")
        #expect(Set(attacks.map(\.testDescription)).count == attacks.count)
    }

    // V8
    @Test func `each attack is refused with its own word`() throws {
        let table = try Self.table.get()
        for attack in table.attacks {
            var expectations = Fixture.expectations
            expectations.algorithms = attack.algorithms
            do throws(TokenError) {
                _ = try TokenVerifier.verifyAny(
                    attack.token,
                    keys: attack.keys ?? table.keys,
                    expecting: expectations,
                    at: Fixture.now
                )
                Issue.record("taken: \(attack)")
            } catch {
                #expect(error.reason == attack.reason, "\(attack.testDescription)")
            }
        }
    }

    @Test func `what the attacks are made of is taken when it is honest`() throws {
        let table = try Self.table.get()
        let header = #"{"alg":"ES256","kid":"ec"}"#
        _ = try Fixture.verify(table.token(header), keys: table.keys)
        for (algorithm, kid) in [("RS256", "rsa"), ("EdDSA", "ed")] {
            let key = JWK(.privateKey(kid == "rsa" ? table.rsa : table.edwards), kid: kid)
            let name = try #require(Algorithm(rawValue: algorithm))
            let token = try JWS.sign(claims: Fixture.claims(), key: key, name)
            _ = try Fixture.verify(Array(token.utf8), keys: table.keys)
        }
    }
}
