// Forms that wait in memory for the end of their login.
import Synchronization

/// A bounded memory of forms, by names that nobody can guess.
///
/// What does not fit is not taken: whoever is told so still has everything in the browser. Forms that were taken
/// are not pushed out by others.
final class KeptForms: Sendable {
    private struct Kept {
        let octets: [UInt8]
        let until: Double
    }

    private struct Memory {
        var forms: [String: Kept] = [:]
        var octets = 0
    }

    private let memory = Mutex(Memory())
    private let maximumOctets: Int

    /// A memory of at most so many octets.
    init(maximumOctets: Int = 16 << 20) {
        self.maximumOctets = maximumOctets
    }

    /// Keeps a form until then; false if there is no room.
    func keep(_ octets: [UInt8], as name: String, until: Double, at now: Double) -> Bool {
        memory.withLock { memory in
            if memory.octets + octets.count > maximumOctets { Self.sweep(&memory, at: now) }
            guard memory.octets + octets.count <= maximumOctets, memory.forms[name] == nil else {
                return false
            }
            memory.forms[name] = Kept(octets: octets, until: until)
            memory.octets += octets.count
            return true
        }
    }

    /// The form of that name, if its time is not over.
    func form(_ name: String, at now: Double) -> [UInt8]? {
        memory.withLock { memory in
            Self.sweep(&memory, at: now)
            return memory.forms[name]?.octets
        }
    }

    private static func sweep(_ memory: inout Memory, at now: Double) {
        memory.forms = memory.forms.filter { $0.value.until > now }
        memory.octets = memory.forms.values.reduce(0) { $0 + $1.octets.count }
    }
}
