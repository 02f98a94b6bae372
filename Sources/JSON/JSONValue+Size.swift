// How much memory a value holds, about.

extension JSONValue {
    /// About how many bytes of memory the value holds: for the bound of a cache, not for accounts.
    package var approximateBytes: Int {
        let own = MemoryLayout<JSONValue>.stride
        // What lies apart has the allocator's and the runtime's words before it.
        switch self {
        case .null, .bool, .integer, .number: return own
        case .largeInteger(let text), .string(let text): return own + Self.bytes(text)
        case .array(let elements): return elements.reduce(own + 48) { $0 + $1.approximateBytes }
        case .object(let members):
            // A table is up to three quarters full, and doubles.
            let place = MemoryLayout<String>.stride + own
            return members.reduce(own + 64 + members.capacity * place) {
                $0 + Self.bytes($1.key) + $1.value.approximateBytes - own
            }
        }
    }

    /// A text of up to 15 bytes lies within its value.
    private static func bytes(_ text: String) -> Int { text.utf8.count > 15 ? text.utf8.count + 48 : 0 }
}
