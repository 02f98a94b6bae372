// Which names in certificates mean a host.
import Testing

@testable import Store

struct CertificateNameTests {
    @Test(arguments: [
        ("redis.example", "redis.example", true), ("Redis.Example.", "rEDIS.eXAMPLE", true),
        ("a.redis.example", "*.redis.example", true), ("redis.example", "*.redis.example", false),
        ("a.b.redis.example", "*.redis.example", false), (".redis.example", "*.redis.example", false),
        ("redis.example", "*", false), ("redis.example", "", false),
        ("a.redis.example", "*redis.example", false),
        ("redis.example", "redis.example.org", false),
    ])
    func `a name means itself, and a wildcard one label`(host: String, pattern: String, means: Bool) {
        #expect(CertificateName.means(host, by: Array(pattern.utf8)) == means)
    }
}
