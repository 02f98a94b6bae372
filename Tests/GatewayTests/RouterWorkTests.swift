// What finding a route costs: the same for few routes and for many; and what patterns may cost in all.
import Pattern
import Testing

@testable import Gateway

struct RouterWorkTests {
    /// What makes routes many.
    enum Shape: String, CaseIterable, CustomTestStringConvertible {
        case hosts, wildcards, paths, methods, fields, patterns

        var testDescription: String { self.rawValue }

        /// The route of that number.
        func route(_ number: Int) -> Route {
            Route(named: "r\(number)") { route in
                switch self {
                case .hosts: route.hosts = ["h\(number).example"]
                case .wildcards: route.hosts = ["*.h\(number).example"]
                case .paths: route.paths = ["/svc\(number)/items"]
                case .methods: (route.paths, route.methods) = (["/a"], ["VERB-\(number)"])
                case .fields:
                    route.paths = ["/a"]
                    route.fields = [FieldDemand(name: "x-tenant", values: ["t\(number)"])]
                case .patterns: route.paths = ["~/svc\(number)/items/\\d+$"]
                }
            }
        }

        /// A request for it.
        func request(_ number: Int) -> (text: String, fields: [(name: String, value: String)]) {
            switch self {
            case .hosts: ("GET http://h\(number).example/", [])
            case .wildcards: ("GET http://www.h\(number).example/", [])
            case .paths, .patterns: ("GET http://x/svc\(number)/items/1", [])
            case .methods: ("VERB-\(number) http://x/a", [])
            case .fields: ("GET http://x/a", [("X-Tenant", "T\(number)")])
            }
        }
    }

    @Test(arguments: Shape.allCases)
    func `a route among many takes no more looks than one among few`(shape: Shape) throws {
        var most: [Int] = []
        for count in [10, 20_000] {
            let plan = try plan((0..<count).map { shape.route($0) })
            var looks = 0
            for number in [0, count / 2, count - 1] {
                let (text, fields) = shape.request(number)
                #expect(try found(plan, text, fields) == "r\(number)")
                looks = max(looks, try plan.router.looks(for: head(text, fields), from: nobody))
            }
            most.append(looks)
        }
        // A tree with more branches may be a few nodes deeper.
        #expect(most[1] <= most[0] + 6, "\(most)")
        #expect(most[1] < 20)
    }

    /// A name that begins like every wildcard's, or is all dots, meets no more than it has labels.
    @Test func `a long host takes no more looks than the longest name of a route has dots`() throws {
        let plan = try plan([
            route("sub") { $0.hosts = ["*.a.example"] }, route("top") { $0.hosts = ["shop.*"] },
        ])
        let host = String(repeating: "a.", count: 100) + "example"
        #expect(try plan.router.looks(for: head("GET http://\(host)/"), from: nobody) < 20)
    }

    // MARK: Patterns

    /// E7: none of them runs away, together they would.
    @Test func `E7 many patterns that begin alike cost one request no more than the budget`() throws {
        let routes = (0..<2000).map { route("r\($0)", ["~/(?<n\($0)>a+)+$"]) }
        let few = try plan(Array(routes.prefix(3)) + [route("open", ["/"])])
        let many = try plan(routes + [route("open", ["/"])])
        let request = "GET http://x/\(String(repeating: "a", count: 12))!"
        #expect(try found(few, request) == "open")
        #expect(throws: PatternError.exhausted) { try found(many, request) }
        #expect(try found(many, "GET http://x/b") == "open")
    }

    /// E7: entries whose pattern is never reached are looked at, too.
    @Test func `E7 fields that need a pattern draw on the same budget`() throws {
        let routes = (0..<2000).map { number in
            route("r\(number)", ["/"]) {
                $0.fields = [FieldDemand(name: "x-a", values: [], pattern: "^(a+)+(?:\(number))?$")]
            }
        }
        let many = try plan(routes + [route("open", ["/"])])
        let value = String(repeating: "a", count: 12) + "!"
        #expect(throws: PatternError.exhausted) { try found(many, "GET http://x/", [("X-A", value)]) }
        #expect(try found(many, "GET http://x/", [("X-A", "a7")]) == "r7")
        #expect(try found(many, "GET http://x/") == "open")
    }

    @Test func `a better route that was found spares the patterns behind it`() throws {
        let plan = try plan([
            route("exact", ["~/a+!$"]) { $0.regexPriority = 1 }, route("bad", ["~/(a+)+$"]),
        ])
        #expect(try found(plan, "GET http://x/\(String(repeating: "a", count: 60))!") == "exact")
    }

    @Test func `patterns that are too many to try are a warning`() throws {
        let limit = Router.patternsBeforeWarning
        let routes = (0...limit).map { route("r\($0)", ["~/[a-z]+/\($0)$"]) }
        #expect(try plan(Array(routes.dropLast())).warnings.isEmpty)
        let warnings = try plan(routes).warnings
        #expect(warnings.count == 1)
        #expect(
            warnings.first?.message.contains("and \(limit) others have patterns that begin alike") == true
        )
    }
}

extension Route {
    /// A route to the tests' service, shaped by `change`.
    fileprivate init(named name: String, _ change: (inout Route) -> Void) {
        self = route(name, [], change)
    }
}
