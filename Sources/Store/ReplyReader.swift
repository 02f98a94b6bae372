// Reads replies by hiredis' reader: octets in, whole replies out.
import CHiredis

/// A reader of one connection's replies.
///
/// hiredis bounds the nesting; how many octets may gather before a reply is whole is bounded here.
@safe final class ReplyReader {
    private let reader: UnsafeMutablePointer<redisReader>
    /// Octets since the last whole reply.
    private var unreadBytes = 0

    /// Most octets of one reply: far more than any session or list of them.
    static let maximumReplyBytes = 64 << 20

    /// Makes a reader.
    init() throws(StoreError) {
        guard let reader = unsafe redisReaderCreate() else { throw .outOfMemory }
        unsafe self.reader = reader
    }

    deinit {
        unsafe redisReaderFree(self.reader)
    }

    /// Takes what has come.
    func feed(_ octets: Span<UInt8>) throws(StoreError) {
        guard !octets.isEmpty else { return }
        self.unreadBytes += octets.count
        guard self.unreadBytes <= Self.maximumReplyBytes else { throw .malformedReply }
        let result = unsafe octets.withUnsafeBytes { buffer in
            let bytes = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            return unsafe redisReaderFeed(self.reader, bytes, buffer.count)
        }
        guard result == REDIS_OK else { throw .malformedReply }
    }

    /// The next whole reply; nil while there is none.
    func next() throws(StoreError) -> RedisReply? {
        var object: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(self.reader, &object) == REDIS_OK else { throw .malformedReply }
        guard let object = unsafe object else { return nil }
        defer { unsafe freeReplyObject(object) }
        self.unreadBytes = 0
        return try unsafe Self.reply(object.assumingMemoryBound(to: redisReply.self))
    }

    /// A reply of hiredis as a value; it stays hiredis' own.
    private static func reply(_ pointer: UnsafePointer<redisReply>) throws(StoreError) -> RedisReply {
        let reply = unsafe pointer.pointee
        switch unsafe reply.type {
        case REDIS_REPLY_STATUS: return unsafe .status(String(decoding: Self.octets(reply), as: UTF8.self))
        case REDIS_REPLY_ERROR: return unsafe .error(String(decoding: Self.octets(reply), as: UTF8.self))
        case REDIS_REPLY_STRING: return unsafe .bulk(Self.octets(reply))
        case REDIS_REPLY_INTEGER: return unsafe .integer(reply.integer)
        case REDIS_REPLY_NIL: return .null
        case REDIS_REPLY_ARRAY:
            var elements: [RedisReply] = []
            for index in 0..<Int(unsafe reply.elements) {
                guard let element = unsafe reply.element?[index] else { throw .malformedReply }
                elements.append(try unsafe Self.reply(element))
            }
            return .array(elements)
        default: throw .malformedReply
        }
    }

    private static func octets(_ reply: redisReply) -> [UInt8] {
        guard let start = unsafe reply.str else { return [] }
        return unsafe UnsafeBufferPointer(start: start, count: Int(reply.len)).map { UInt8(bitPattern: $0) }
    }
}
