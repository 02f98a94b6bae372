// The operator's log: one line a message on standard error.
import Foundation
import Gateway
import JSON
import Logging

/// Writes whole lines to standard error; one at a time.
struct LineSink: Sendable {
    /// Writes `lines`, each ended by a newline.
    func write(_ lines: [UInt8]) {
        FileHandle.standardError.write(Data(lines))
    }
}

/// A log handler whose every line is one JSON object (or one line of text), whatever the message holds.
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    let format: LogFormat
    let sink: LineSink

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = self.metadata
        if let more = event.metadata { fields.merge(more) { $1 } }
        let time = Timestamp.text(wallClock())
        var line: [UInt8]
        switch self.format {
        case .json:
            var object: [String: JSONValue] = fields.mapValues { .string($0.description) }
            object["time"] = .string(time)
            object["level"] = .string(event.level.rawValue)
            object["message"] = .string(event.message.description)
            line = JSONValue.object(object).serialized()
        case .text:
            let words = fields.sorted { $0.key < $1.key }.map {
                " \($0.key)=\(oneLine($0.value.description))"
            }
            line = Array("\(time) \(event.level) \(oneLine(event.message.description))\(words.joined())".utf8)
        }
        line.append(UInt8(ascii: "\n"))
        self.sink.write(line)
    }
}

/// `text` with its control characters made visible, so that it stays one line.
func oneLine(_ text: String) -> String {
    var line = ""
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .format:
            line += "\\u{\(String(scalar.value, radix: 16))}"
        default:
            line.unicodeScalars.append(scalar)
        }
    }
    return line
}
