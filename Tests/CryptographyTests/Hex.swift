// Bytes from hexadecimal, as the standards print them.

/// Reads hexadecimal digits; anything else is a mistake in the test.
func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    precondition(digits.count % 2 == 0, "hexadecimal digits come in pairs")
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
