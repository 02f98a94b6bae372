// The table of hostile and harmless addresses: Tests/Vectors/redirects.json.
import Foundation
import JSON
import Testing

@testable import Access

struct RedirectTableTests {
    /// The table, which the running program is held to as well.
    private static let table: JSONValue = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "../Vectors/redirects.json")
        guard let data = try? Data(contentsOf: file), let json = try? JSONValue(parsing: Array(data)) else {
            preconditionFailure("\(file.path) cannot be read")
        }
        return json
    }()

    private let own = RedirectTarget.Origin(scheme: "https", host: "app.example", port: nil)
    private var hosts: [String] { Self.table["hosts"]?.strings ?? [] }

    @Test func `the table is as long as it should be`() {
        let refused = Self.table["refused"]?.strings ?? []
        #expect(refused.count >= 160)
        #expect(Set(refused).count == refused.count)
    }

    // S1, A12
    @Test(arguments: table["refused"]?.strings ?? [])
    func `a hostile address leads nowhere`(_ text: String) {
        #expect(RedirectTarget(text, own: own, hosts: hosts) == nil)
    }

    @Test(arguments: (table["taken"]?.array ?? []).compactMap(\.strings))
    func `a harmless address leads where a browser would read it`(_ pair: [String]) {
        #expect(RedirectTarget(pair[0], own: own, hosts: hosts)?.location == pair[1])
    }
}
