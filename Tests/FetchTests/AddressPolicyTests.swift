// Which addresses may be dialled, kind by kind.
import Testing

@testable import Fetch

struct AddressPolicyTests {
    @Test(arguments: [
        ("127.0.0.1", AddressKind.loopback), ("127.255.255.255", .loopback), ("::1", .loopback),
        ("::ffff:127.0.0.1", .loopback), ("126.255.255.255", .ordinary), ("128.0.0.1", .ordinary),
        ("169.254.0.0", .refused), ("169.254.169.254", .refused), ("169.253.255.255", .ordinary),
        ("169.255.0.0", .ordinary), ("0.0.0.0", .refused), ("::", .refused), ("224.0.0.1", .refused),
        ("223.255.255.255", .ordinary), ("255.255.255.255", .refused), ("fe80::1", .refused),
        ("fe80::1%eth0", .refused), ("febf::1", .refused), ("fec0::1", .ordinary), ("ff02::1", .refused),
        ("fd00:ec2::254", .refused), ("fd00:ec2::255", .ordinary), ("::ffff:169.254.169.254", .refused),
        ("64:ff9b::a9fe:a9fe", .refused), ("100.100.100.200", .refused), ("10.0.0.1", .ordinary),
        ("2001:db8::1", .ordinary),
    ])
    func `E9 an address is of the kind that its range says`(text: String, kind: AddressKind) {
        #expect(AddressKind(literal: text) == kind)
    }

    @Test(arguments: ["localhost", "example.com", "1.2.3", "", "::g"])
    func `a name is no address`(text: String) {
        #expect(AddressKind(literal: text) == nil)
    }

    @Test(arguments: [
        (true, false, AddressKind.ordinary, false), (true, false, .loopback, true),
        (true, true, .refused, false), (false, true, .refused, true), (false, false, .refused, false),
        (false, false, .ordinary, true),
    ])
    func `a transfer dials what its policy allows`(
        loopbackOnly: Bool,
        allowsRefused: Bool,
        kind: AddressKind,
        verdict: Bool
    ) {
        let policy = AddressPolicy(loopbackOnly: loopbackOnly, allowsRefused: allowsRefused)
        #expect(policy.allows(kind) == verdict)
    }
}
