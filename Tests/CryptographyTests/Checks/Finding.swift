// What a check found.

/// A promise that an input breaks: which one, and with what.
package struct Finding: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// Throws a finding unless the promise is kept.
func demand(_ isKept: Bool, _ promise: @autoclosure () -> String) throws(Finding) {
    guard isKept else { throw Finding(promise()) }
}

/// Bytes for people to read.
func shown(_ bytes: some Sequence<UInt8>) -> String {
    String(decoding: Array(bytes), as: UTF8.self).debugDescription
}
