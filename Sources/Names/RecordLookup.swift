// Asks servers of DNS for records: where a service is (SRV), and addresses where the system is not to be asked.
import CNames

/// A server of DNS.
package struct NameServer: Sendable, Equatable {
    /// Its address in 16 octets; one of IPv4 is mapped into IPv6.
    package let address: [UInt8]
    package let port: UInt16

    /// Names a server; nil if that is no address.
    package init?(address: [UInt8], port: UInt16 = 53) {
        guard address.count == 16, port > 0 else { return nil }
        (self.address, self.port) = (address, port)
    }

    /// Servers that one question may be sent to.
    package static let most = Int(NAMES_SERVERS)
}

/// Where a service is to be had, as a record of SRV says (RFC 2782).
package struct ServiceRecord: Sendable, Hashable {
    /// A host name in lower case without its last dot.
    package let host: String
    package let port: Int
    /// The lower is asked first.
    package let priority: Int
    /// Its share among those of one priority.
    package let weight: Int
}

/// Questions to DNS itself; each waits for the answer, and is nothing for an event loop.
package struct RecordLookup: Sendable {
    /// What came of a question: records, and for how many seconds they hold.
    package struct Found<Record: Sendable>: Sendable {
        package let records: [Record]
        package let seconds: Double
    }

    /// Records of one answer that are kept.
    private static let most = 256

    private let servers: [NameServer]

    /// - Parameter servers: who is asked; the system's if there are none.
    package init(servers: [NameServer] = []) { self.servers = servers }

    /// The places of a service such as `_http._tcp.example.com`; those that nobody could go to are left out.
    package func services(of name: String) throws(NameLookupError) -> Found<ServiceRecord> {
        let found = try self.ask(name, Int32(ns_t_srv.rawValue))
        let records = found.records.compactMap { record -> ServiceRecord? in
            let host = Self.host(record)
            // The root means that there is no such service.
            guard record.port > 0, Self.isHost(host) else { return nil }
            return ServiceRecord(
                host: host,
                port: Int(record.port),
                priority: Int(record.priority),
                weight: Int(record.weight)
            )
        }
        guard !records.isEmpty else { throw NameLookupError(description: "the service is not there") }
        return Found(records: records, seconds: found.seconds)
    }

    /// The addresses of a name, each in 16 octets; nil if the servers know that there are none.
    package func addresses(of name: String) throws(NameLookupError) -> [[UInt8]]? {
        var addresses: [[UInt8]] = []
        var failure: NameLookupError?
        for type in [ns_t_a, ns_t_aaaa] {
            do throws(NameLookupError) {
                for record in try self.ask(name, Int32(type.rawValue)).records {
                    let address = Self.address(record)
                    if !addresses.contains(address) { addresses.append(address) }
                }
            } catch {
                if !error.isDefinite { failure = error }
            }
        }
        guard addresses.isEmpty else { return addresses }
        if let failure { throw failure }
        return nil
    }

    private func ask(_ name: String, _ type: Int32) throws(NameLookupError) -> Found<names_record> {
        var servers = [names_server](repeating: names_server(), count: self.servers.count)
        for (place, server) in self.servers.enumerated() {
            unsafe withUnsafeMutableBytes(of: &servers[place].address) {
                unsafe $0.copyBytes(from: server.address)
            }
            servers[place].port = server.port
        }
        var found = [names_record](repeating: names_record(), count: Self.most)
        var seconds: UInt32 = 0
        let count = unsafe servers.withUnsafeBufferPointer { servers in
            unsafe found.withUnsafeMutableBufferPointer { found in
                unsafe names_ask(
                    name,
                    type,
                    servers.baseAddress,
                    Int32(servers.count),
                    found.baseAddress,
                    Int32(found.count),
                    &seconds
                )
            }
        }
        guard count > 0 else {
            let reason = unsafe names_ask_reason(count).map { unsafe String(cString: $0) }
            let isDefinite = count == -HOST_NOT_FOUND || count == -Int32(NO_DATA)
            throw NameLookupError(description: reason ?? "error \(count)", isDefinite: isDefinite)
        }
        return Found(records: Array(found.prefix(Int(count))), seconds: Double(seconds))
    }

    private static func address(_ record: names_record) -> [UInt8] {
        var record = record
        return unsafe withUnsafeBytes(of: &record.address) { unsafe Array($0) }
    }

    private static func host(_ record: names_record) -> String {
        var record = record
        return unsafe withUnsafeBytes(of: &record.host) { octets in
            unsafe String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
        }.lowercased()
    }

    /// Whether a name out of an answer can be a host's.
    private static func isHost(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 253
            && name.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || [0x2D, 0x2E, 0x5F].contains($0)
            }
    }
}
