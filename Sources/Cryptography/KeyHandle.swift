// Owns an EVP_PKEY, and builds one from named parameters.

internal import COpenSSL

/// Owns an `EVP_PKEY`; freed when the last key that uses it is gone.
@safe final class KeyHandle: @unchecked Sendable {
    // SAFETY: never changed after it was made; libcrypto counts references atomically and locks its own caches.
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) {
        unsafe self.pointer = unsafe pointer
    }

    deinit { unsafe EVP_PKEY_free(pointer) }

    /// Builds a key of a type ("RSA", "EC") from its parameters.
    convenience init(
        type: String,
        isPrivate: Bool,
        parameters: consuming ParameterBuilder
    ) throws(CryptoError) {
        guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, type, nil) else { throw .last("key") }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        guard unsafe EVP_PKEY_fromdata_init(context) == 1 else { throw .last("key") }
        let list = try parameters.build()
        var key: OpaquePointer?
        let selection = isPrivate ? copenssl_select_keypair : copenssl_select_public
        let result = unsafe EVP_PKEY_fromdata(context, &key, selection, list.pointer)
        guard result == 1, let key = unsafe key else { throw .last("key") }
        unsafe self.init(owning: key)
    }

    /// Says whether the key is of this type by libcrypto's name.
    func isA(_ type: String) -> Bool {
        unsafe EVP_PKEY_is_a(pointer, type) == 1
    }

    /// The name of the curve, of an elliptic-curve key.
    var groupName: String? {
        var name = [CChar](repeating: 0, count: 80)
        var count = 0
        let result = unsafe name.withUnsafeMutableBufferPointer { name in
            unsafe EVP_PKEY_get_group_name(pointer, name.baseAddress, name.count, &count)
        }
        guard result == 1 else { return nil }
        return String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A number of the key, big endian; `count` bytes, or as few as it takes.
    func number(_ name: String, count: Int? = nil) throws(CryptoError) -> [UInt8] {
        var number: OpaquePointer?
        guard unsafe EVP_PKEY_get_bn_param(pointer, name, &number) == 1, let number = unsafe number else {
            throw .last("key")
        }
        defer { unsafe BN_clear_free(number) }
        let size = unsafe count ?? Int(BN_num_bits(number) + 7) / 8
        var bytes = [UInt8](repeating: 0, count: size)
        let result = unsafe bytes.withUnsafeMutableBufferPointer { bytes in
            unsafe BN_bn2binpad(number, bytes.baseAddress, Int32(size))
        }
        guard result == Int32(size) else { throw .last("key") }
        return bytes
    }

    /// The raw public key of an Edwards or Montgomery curve.
    func rawPublicKey() throws(CryptoError) -> [UInt8] {
        try unsafe raw { unsafe EVP_PKEY_get_raw_public_key($0, $1, $2) }
    }

    /// The raw private key of an Edwards or Montgomery curve.
    func rawPrivateKey() throws(CryptoError) -> [UInt8] {
        try unsafe raw { unsafe EVP_PKEY_get_raw_private_key($0, $1, $2) }
    }

    private func raw(
        _ get: (OpaquePointer, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<Int>) -> Int32
    ) throws(CryptoError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64)
        var count = bytes.count
        let result = unsafe bytes.withUnsafeMutableBufferPointer { bytes in
            unsafe get(pointer, bytes.baseAddress, &count)
        }
        guard result == 1 else { throw .last("key") }
        return Array(bytes[..<count])
    }

    /// Runs one of libcrypto's checks on the key; only 1 is yes (J5).
    func passes(_ check: (OpaquePointer) -> Int32) -> Bool {
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, pointer, nil) else { return false }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        let result = unsafe check(context)
        if result != 1 { ERR_clear_error() }
        return result == 1
    }
}

/// Collects the named parameters of a key; everything it holds is wiped when it ends.
@safe struct ParameterBuilder: ~Copyable {
    private let handle: OpaquePointer
    private var numbers: [OpaquePointer] = unsafe []
    private var octets: [UnsafeMutableBufferPointer<UInt8>] = unsafe []

    init() throws(CryptoError) {
        guard let handle = unsafe OSSL_PARAM_BLD_new() else { throw .last("parameters") }
        unsafe self.handle = unsafe handle
    }

    deinit {
        unsafe OSSL_PARAM_BLD_free(handle)
        unsafe numbers.forEach { unsafe BN_clear_free($0) }
        unsafe octets.forEach { buffer in
            unsafe OPENSSL_cleanse(buffer.baseAddress, buffer.count)
            unsafe buffer.deallocate()
        }
    }

    /// Adds a non-negative number, big endian.
    mutating func add(_ name: String, number bytes: Span<UInt8>) throws(CryptoError) {
        let made = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe BN_bin2bn(bytes.baseAddress, Int32(bytes.count), nil)
        }
        guard let made = unsafe made else { throw .last("parameters") }
        unsafe numbers.append(made)
        try unsafe Self.intern(name) { name in unsafe OSSL_PARAM_BLD_push_BN(handle, name, made) }
    }

    /// Adds a byte string.
    mutating func add(_ name: String, octets bytes: Span<UInt8>) throws(CryptoError) {
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        for index in bytes.indices { unsafe copy[index] = bytes[index] }
        unsafe octets.append(copy)
        try unsafe Self.intern(name) { name in
            unsafe OSSL_PARAM_BLD_push_octet_string(handle, name, copy.baseAddress, copy.count)
        }
    }

    /// Adds a text of libcrypto's, such as a curve's name.
    mutating func add(_ name: String, text: String) throws(CryptoError) {
        let bytes = Array(text.utf8)
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { unsafe copy[index] = byte }
        unsafe copy[bytes.count] = 0
        unsafe octets.append(copy)
        try unsafe Self.intern(name) { name in
            unsafe OSSL_PARAM_BLD_push_utf8_string(
                handle,
                name,
                UnsafeRawPointer(copy.baseAddress)?.assumingMemoryBound(to: CChar.self),
                0
            )
        }
    }

    /// Makes the list.
    consuming func build() throws(CryptoError) -> ParameterList {
        guard let list = unsafe OSSL_PARAM_BLD_to_param(handle) else { throw .last("parameters") }
        return unsafe ParameterList(owning: list)
    }

    /// libcrypto keeps the pointer to a name until the list is made, so names must live as long as the process.
    private static func intern(
        _ name: String,
        _ push: (UnsafePointer<CChar>) -> Int32
    ) throws(CryptoError) {
        guard let known = ParameterName.all[name] else { throw .unsupportedKey }
        guard unsafe push(known.pointer) == 1 else { throw .last("parameters") }
    }
}

/// A parameter's name as C wants it; never freed.
@safe private struct ParameterName: @unchecked Sendable {
    // SAFETY: written once before it is shared, and only read after that.
    let pointer: UnsafePointer<CChar>

    static let all: [String: ParameterName] = {
        let names = [
            "n", "e", "d", "rsa-factor1", "rsa-factor2", "rsa-exponent1", "rsa-exponent2", "rsa-coefficient1",
            "group", "pub", "priv",
        ]
        return Dictionary(uniqueKeysWithValues: names.map { ($0, ParameterName($0)) })
    }()

    private init(_ name: String) {
        let bytes = Array(name.utf8CString)
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        for (index, byte) in bytes.enumerated() { unsafe copy[index] = byte }
        unsafe pointer = unsafe UnsafePointer(copy)
    }
}

/// Owns a list of parameters.
@safe struct ParameterList: ~Copyable {
    let pointer: UnsafeMutablePointer<OSSL_PARAM>

    init(owning pointer: UnsafeMutablePointer<OSSL_PARAM>) {
        unsafe self.pointer = unsafe pointer
    }

    deinit {
        var parameter = unsafe pointer
        while unsafe parameter.pointee.key != nil {
            unsafe OPENSSL_cleanse(parameter.pointee.data, parameter.pointee.data_size)
            unsafe parameter += 1
        }
        unsafe OSSL_PARAM_free(pointer)
    }
}
