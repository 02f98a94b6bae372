// Bytes to a value: size, depth, encoding and duplicate names are judged here.

internal import CJansson

extension JSONValue {
    /// Reads one JSON document: an object or an array, and nothing after it.
    ///
    /// Strict RFC 8259: UTF-8 without a byte order mark, no duplicate names at any depth, no U+0000.
    /// - Throws: `JSONError`, with the position of the fault and nothing of the text.
    package init(parsing bytes: Span<UInt8>, limits: JSONLimits = .standard) throws(JSONError) {
        guard bytes.count <= limits.maximumBytes else { throw .tooLarge(limit: limits.maximumBytes) }
        try Self.checkDepth(of: bytes, limit: limits.maximumDepth)
        do {
            self = try JanssonTree(parsing: bytes).value(marker: nil)
        } catch .numberOverflow(let position) {
            guard let rewritten = LargeIntegers(rewriting: bytes) else {
                throw .numberOverflow(position: position)
            }
            self = try JanssonTree(parsing: rewritten.bytes.span).value(marker: rewritten.marker)
            // A document that is one number alone is none, however large the number.
            if case .largeInteger = self { throw .syntax(position: position) }
        }
    }

    /// Reads one JSON document from an array of bytes.
    package init(parsing bytes: [UInt8], limits: JSONLimits = .standard) throws(JSONError) {
        try self.init(parsing: bytes.span, limits: limits)
    }

    /// Reads one JSON document from a text.
    package init(parsing text: String, limits: JSONLimits = .standard) throws(JSONError) {
        try self.init(parsing: Array(text.utf8).span, limits: limits)
    }

    /// Refuses deep nesting before a recursive parser meets it, and U+0000 as it is: jansson overlooks one behind a number.
    private static func checkDepth(of bytes: Span<UInt8>, limit: Int) throws(JSONError) {
        var depth = 0
        var inString = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            guard byte != 0 else { throw .nulCharacter(position: index) }
            index += 1
            if inString {
                if byte == UInt8(ascii: "\\") { index += 1 }
                if byte == UInt8(ascii: "\"") { inString = false }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): inString = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                guard depth <= limit else { throw .tooDeep(limit: limit) }
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
        }
    }
}

/// A text whose integers beyond 64 bits are rewritten as pairs of a marker and their digits, because jansson
/// keeps no such number: an array, so that it is refused wherever a number would have been.
private struct LargeIntegers {
    let bytes: [UInt8]
    /// Drawn anew for each text, so that no document can contain it.
    let marker: String

    /// Nothing if there is no such integer: then the overflow was another one.
    init?(rewriting text: Span<UInt8>) {
        let marker = "\(UInt64.random(in: .min ... .max)) \(UInt64.random(in: .min ... .max))"
        var output: [UInt8] = []
        var found = false
        var index = 0
        while index < text.count {
            let end = Self.endOfToken(in: text, from: index)
            let token = text.extracting(index..<end)
            if Self.isLargeInteger(token) {
                found = true
                output += Array("[\"\(marker)\",\"".utf8)
                for position in token.indices { output.append(token[position]) }
                output += Array("\"]".utf8)
            } else {
                for position in token.indices { output.append(token[position]) }
            }
            index = end
        }
        guard found else { return nil }
        self.bytes = output
        self.marker = marker
    }

    /// The end of the string, the number or the single byte that begins at `start`.
    private static func endOfToken(in text: Span<UInt8>, from start: Int) -> Int {
        var end = start + 1
        if text[start] == UInt8(ascii: "\"") {
            while end < text.count, text[end] != UInt8(ascii: "\"") {
                end += text[end] == UInt8(ascii: "\\") ? 2 : 1
            }
            return min(end + 1, text.count)
        }
        guard isOfNumber(text[start]) else { return end }
        while end < text.count, isOfNumber(text[end]) { end += 1 }
        return end
    }

    /// Whether a byte can stand within a number, or beside one without ending it.
    private static func isOfNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Whether a token is an integer by the grammar of RFC 8259 §6 and beyond 64 bits.
    private static func isLargeInteger(_ token: Span<UInt8>) -> Bool {
        let digits = token[0] == UInt8(ascii: "-") ? token.extracting(1..<token.count) : token
        guard digits.count >= 19, digits[0] != UInt8(ascii: "0") else { return false }
        for index in digits.indices where !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digits[index]) {
            return false
        }
        var text = ""
        for index in token.indices { text.unicodeScalars.append(Unicode.Scalar(token[index])) }
        return Int64(text) == nil
    }
}

/// Owns jansson's tree; converted once and freed.
@safe private struct JanssonTree: ~Copyable {
    private let root: UnsafeMutablePointer<json_t>

    init(parsing bytes: Span<UInt8>) throws(JSONError) {
        var error = json_error_t()
        let flags = JSON_REJECT_DUPLICATES
        let parsed = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe json_loadb(UnsafeRawPointer(buffer.baseAddress), buffer.count, Int(flags), &error)
        }
        guard let root = unsafe parsed else {
            throw unsafe Self.error(json_error_code(&error), at: Int(error.position))
        }
        unsafe self.root = unsafe root
    }

    deinit { unsafe json_decref(root) }

    func value(marker: String?) throws(JSONError) -> JSONValue {
        try unsafe Self.convert(root, marker: marker)
    }

    private static func error(_ code: json_error_code, at position: Int) -> JSONError {
        switch code {
        case json_error_duplicate_key: .duplicateName(position: position)
        case json_error_invalid_utf8: .invalidUTF8(position: position)
        case json_error_null_character, json_error_null_byte_in_key: .nulCharacter(position: position)
        case json_error_numeric_overflow: .numberOverflow(position: position)
        case json_error_out_of_memory: .outOfMemory
        default: .syntax(position: position)
        }
    }

    private static func convert(
        _ node: UnsafeMutablePointer<json_t>,
        marker: String?
    ) throws(JSONError) -> JSONValue {
        switch unsafe node.pointee.type {
        case JSON_OBJECT: return try unsafe .object(members(of: node, marker: marker))
        case JSON_ARRAY:
            let elements = try unsafe elements(of: node, marker: marker)
            if let marker, elements.count == 2, elements[0] == .string(marker),
                case .string(let digits) = elements[1]
            {
                return .largeInteger(digits)
            }
            return .array(elements)
        case JSON_STRING:
            return unsafe .string(text(json_string_value(node), json_string_length(node)))
        case JSON_INTEGER: return unsafe .integer(Int64(json_integer_value(node)))
        case JSON_REAL: return unsafe .number(json_real_value(node))
        case JSON_TRUE: return .bool(true)
        case JSON_FALSE: return .bool(false)
        default: return .null
        }
    }

    private static func elements(
        of node: UnsafeMutablePointer<json_t>,
        marker: String?
    ) throws(JSONError) -> [JSONValue] {
        let count = unsafe json_array_size(node)
        var elements: [JSONValue] = []
        elements.reserveCapacity(count)
        for index in 0..<count {
            guard let element = unsafe json_array_get(node, index) else { continue }
            try unsafe elements.append(convert(element, marker: marker))
        }
        return elements
    }

    private static func members(
        of node: UnsafeMutablePointer<json_t>,
        marker: String?
    ) throws(JSONError) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        unsafe members.reserveCapacity(json_object_size(node))
        var iterator = unsafe json_object_iter(node)
        while let current = unsafe iterator {
            let name = unsafe text(json_object_iter_key(current), json_object_iter_key_len(current))
            if let value = unsafe json_object_iter_value(current) {
                // Names that differ in bytes and are canonically equal to Unicode are one name to a String.
                let earlier = try unsafe members.updateValue(convert(value, marker: marker), forKey: name)
                guard earlier == nil else { throw .duplicateName(position: 0) }
            }
            unsafe iterator = unsafe json_object_iter_next(node, current)
        }
        return members
    }

    private static func text(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> String {
        guard let bytes = unsafe bytes else { return "" }
        let raw = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
        return unsafe String(decoding: raw, as: UTF8.self)
    }
}
