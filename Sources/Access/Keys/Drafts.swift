// What a crash left behind of files that were being made.
import Foundation

/// Files and sockets that get their names when they are whole, and are called `.….new` until then.
package enum Drafts {
    /// Removes those that are older than a minute: nobody makes one of these any more.
    ///
    /// - Parameter now: seconds since 1970.
    package static func remove(from directory: String, at now: Double) {
        let files = FileManager.default
        let names = (try? files.contentsOfDirectory(atPath: directory)) ?? []
        for name in names where name.hasPrefix(".") && name.hasSuffix(".new") {
            let file = "\(directory)/\(name)"
            let attributes = try? files.attributesOfItem(atPath: file)
            guard let written = attributes?[.modificationDate] as? Date else { continue }
            guard now - written.timeIntervalSince1970 > 60 else { continue }
            try? files.removeItem(atPath: file)
        }
    }
}
