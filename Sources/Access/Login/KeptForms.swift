// Forms that wait in memory for the end of their login, and those that were sent.
import Synchronization

/// A bounded memory of bodies, by names that nobody can guess; each is taken once.
///
/// What does not fit is not taken in: whoever is told so still has everything in the browser. Bodies that were taken in
/// are not pushed out by others.
final class KeptForms: Sendable {
    private struct Kept {
        let body: KeptBody
        let until: Double
    }

    private struct Memory {
        var bodies: [String: Kept] = [:]
        var octets = 0
        /// Forms that cookies hold and that were sent, until their cookies are good no more.
        var spent: [String: Double] = [:]
    }

    private let memory = Mutex(Memory())
    private let maximumOctets: Int
    private let maximumSpent: Int

    /// A memory of at most so many octets, and so many names of forms that were sent.
    init(maximumOctets: Int = 16 << 20, maximumSpent: Int = 100_000) {
        self.maximumOctets = maximumOctets
        self.maximumSpent = maximumSpent
    }

    /// Keeps a body until then; false if there is no room.
    func keep(_ body: KeptBody, as name: String, until: Double, at now: Double) -> Bool {
        memory.withLock { memory in
            if memory.octets + body.count > maximumOctets { Self.sweep(&memory, at: now) }
            guard memory.octets + body.count <= maximumOctets, memory.bodies[name] == nil else {
                return false
            }
            memory.bodies[name] = Kept(body: body, until: until)
            memory.octets += body.count
            return true
        }
    }

    /// Whether a form can still be sent.
    func has(_ waiting: WaitingForm, at now: Double) -> Bool {
        memory.withLock { memory in
            Self.sweep(&memory, at: now)
            return waiting.body != nil
                ? memory.spent[waiting.name] == nil && now < waiting.until
                : memory.bodies[waiting.name] != nil
        }
    }

    /// Takes a form's body out, to be sent: who asks again gets nil, as where its time is over.
    func take(_ waiting: WaitingForm, at now: Double) -> KeptBody? {
        memory.withLock { memory in
            Self.sweep(&memory, at: now)
            guard let body = waiting.body else {
                let kept = memory.bodies.removeValue(forKey: waiting.name)
                memory.octets -= kept?.body.count ?? 0
                return kept?.body
            }
            guard now < waiting.until, memory.spent[waiting.name] == nil,
                memory.spent.count < maximumSpent
            else { return nil }
            memory.spent[waiting.name] = waiting.until
            return body
        }
    }

    /// Takes back what was taken out and was not sent; there is room, for it was here before.
    func giveBack(_ body: KeptBody, of waiting: WaitingForm) {
        memory.withLock { memory in
            guard waiting.body == nil else { return memory.spent[waiting.name] = nil }
            guard memory.bodies[waiting.name] == nil else { return }
            memory.bodies[waiting.name] = Kept(body: body, until: waiting.until)
            memory.octets += body.count
        }
    }

    private static func sweep(_ memory: inout Memory, at now: Double) {
        memory.bodies = memory.bodies.filter { $0.value.until > now }
        memory.octets = memory.bodies.values.reduce(0) { $0 + $1.body.count }
        memory.spent = memory.spent.filter { $0.value > now }
    }
}
