// swift-tools-version: 6.3
// The modules of the house, floor by floor, and what each may use.
import PackageDescription

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// A C library and its headers, found by pkg-config, or at their usual places where it says flags that SwiftPM refuses.
func foreign(_ name: String, _ folder: String, _ pkgConfig: String?, apt: String) -> Target {
    .systemLibrary(
        name: name,
        path: "Sources/C/\(folder)",
        pkgConfig: pkgConfig,
        providers: [.apt([apt])]
    )
}

/// A header of ours that tells Swift what a system header only has as macros.
func header(_ name: String, _ folder: String) -> Target {
    .systemLibrary(name: name, path: "Sources/C/\(folder)")
}

/// A module of ours and what it may import.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// The tests of a module: they may import what the module may, and more where named.
func tests(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: [.target(name: name)] + dependencies,
        exclude: exclude,
        swiftSettings: strict
    )
}

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHPACK: Target.Dependency = .product(name: "NIOHPACK", package: "swift-nio-http2")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "gatehouse",
    products: [.executable(name: "gatehouse", targets: ["gatehouse"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.100.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // Foreign headers
        foreign("CCurl", "Curl", "libcurl", apt: "libcurl4-openssl-dev"),
        foreign("CHiredis", "Hiredis", nil, apt: "libhiredis-dev"),
        foreign("CJansson", "Jansson", "jansson", apt: "libjansson-dev"),
        foreign("COpenSSL", "OpenSSL", "libcrypto", apt: "libssl-dev"),
        foreign("CPCRE2", "PCRE2", "libpcre2-8", apt: "libpcre2-dev"),
        header("CDescriptors", "Descriptors"),
        header("CNames", "Names"),
        // Floor 1: one foreign thing each
        module("Cryptography", ["COpenSSL"]),
        module("Descriptors", ["CDescriptors"]),
        // Generated, and so not held to our own rules.
        .target(
            name: "EnvoyAPI",
            dependencies: [protobuf],
            exclude: ["authorization.proto", "health.proto"]
        ),
        module("Fetch", ["CCurl"]),
        module("JSON", ["CJansson"]),
        module("Names", ["CNames"]),
        module("Pattern", ["CPCRE2"]),
        module("Proxy", [nioCore, nioPosix, nioSSL, nioTLS]),
        module("Store", ["CHiredis", nioCore, nioPosix, nioSSL, nioTLS]),
        // Floor 2: a token, a route
        module("JOSE", ["Cryptography", "JSON"]),
        module("Gateway", ["JSON", "Pattern", "Proxy"]),
        // Floor 3: an issuer
        module("OIDC", ["Cryptography", "Fetch", "JOSE", "JSON"]),
        // Floor 4: who may pass; the rules
        module(
            "Access",
            [
                "Cryptography", "Descriptors", "EnvoyAPI", "Fetch", "Gateway", "JOSE", "JSON", "OIDC",
                "Proxy",
                "Store", protobuf,
            ]
        ),
        module("Control", ["Gateway", "JSON", yams]),
        // Floor 5: the program
        .executableTarget(
            name: "gatehouse",
            dependencies: [
                "Access", "Control", "Cryptography", "Descriptors", "Fetch", "Gateway", "JOSE", "JSON",
                "Names", "OIDC",
                "Proxy", "Store", argumentParser, logging, nioCore, nioPosix, unixSignals,
            ],
            swiftSettings: strict
        ),
        // Tests
        tests("Cryptography"),
        tests("Descriptors"),
        tests("Fetch", ["JSON"]),
        tests("JSON"),
        tests("Names"),
        tests("Pattern"),
        tests("Proxy", [nioCore, nioPosix, nioEmbedded, nioHTTP1, nioHTTP2, nioHPACK, nioSSL]),
        tests("Store", [nioCore, nioPosix]),
        tests("JOSE", ["Cryptography", "JSON"]),
        tests("Gateway", ["JSON", "Proxy", nioCore, nioPosix, nioEmbedded]),
        tests("OIDC", ["Cryptography", "Fetch", "JOSE", "JSON"]),
        tests(
            "Access",
            [
                "Cryptography", "Descriptors", "EnvoyAPI", "Fetch", "Gateway", "JOSE", "JSON", "OIDC",
                "Proxy",
                "Store", protobuf,
            ]
        ),
        tests("Control", ["Gateway", "JSON", "Proxy"], exclude: ["Golden"]),
        .testTarget(
            name: "ProgramTests",
            dependencies: [
                "gatehouse", "Access", "Control", "Gateway", "JSON", "Names", "Proxy", argumentParser,
                logging, nioCore,
            ],
            swiftSettings: strict
        ),
    ],
    swiftLanguageModes: [.v6]
)

// `scripts/fuzz` sets this: the fuzzers take the place of the program and the tests, and what they watch tells what it runs.
if Context.environment["GATEHOUSE_FUZZ"] != nil {
    let watched = strict + [.unsafeFlags(["-sanitize=fuzzer", "-enable-testing"])]
    package.products = []
    package.targets.removeAll { $0.type == .test || $0.type == .executable }
    for target in package.targets where ["Cryptography", "Proxy", "JOSE"].contains(target.name) {
        target.swiftSettings = watched
    }
    func checks(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
        .target(
            name: "\(name)Checks",
            dependencies: [.target(name: name)] + dependencies,
            path: "Tests/\(name)Tests/Checks",
            swiftSettings: watched
        )
    }
    func fuzzer(_ name: String, _ folder: String, _ checks: [Target.Dependency]) -> Target {
        .executableTarget(
            name: name,
            dependencies: ["FuzzRunner"] + checks,
            path: "Tests/Fuzz/\(folder)",
            swiftSettings: strict
        )
    }
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "Tests/Fuzz/LibFuzzer"),
        checks("Proxy", [nioCore, nioEmbedded, nioHTTP1]),
        checks("Cryptography", []),
        checks("JOSE", ["Cryptography", "JSON"]),
        .target(
            name: "FuzzRunner",
            dependencies: ["CLibFuzzer"],
            path: "Tests/Fuzz/Runner",
            swiftSettings: strict
        ),
        fuzzer("fuzz-tokens", "Tokens", ["CryptographyChecks", "JOSEChecks"]),
        fuzzer("fuzz-connections", "Connections", ["ProxyChecks"]),
    ]
}
