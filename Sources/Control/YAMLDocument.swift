// A YAML text as nodes with their places.
import Gateway
import Yams

/// Reads YAML; values keep the way they were written, because that decides what they may be read as.
struct YAMLDocument {
    /// Nodes that one file may have, aliases expanded.
    static let maximumNodes = 8_000_000
    /// How deep values may nest.
    static let maximumDepth = 64

    private let file: String
    private let nodeLimit: Int
    private var count = 0
    private(set) var diagnostics: [Diagnostic] = []

    private init(file: String, nodeLimit: Int) {
        self.file = file
        self.nodeLimit = nodeLimit
    }

    /// The root of a text, and what is wrong with it.
    static func read(
        _ text: String,
        file: String,
        nodeLimit: Int = Self.maximumNodes
    ) -> (root: ConfigNode?, diagnostics: [Diagnostic]) {
        var document = YAMLDocument(file: file, nodeLimit: nodeLimit)
        do {
            // Without Yams' rules for types: what a scalar may be read as is decided here, and to try the rules on
            // every key is most of what reading costs.
            guard let node = try Yams.compose(yaml: text, .basic, .default, .utf8) else {
                return (nil, [Diagnostic(.error, at: document.whole, "the file is empty")])
            }
            let root = document.node(node, depth: 0)
            return (root, document.diagnostics)
        } catch let error as YamlError {
            return (nil, [document.diagnostic(error)])
        } catch {
            return (nil, [Diagnostic(.error, at: document.whole, "the file is no YAML")])
        }
    }

    private var whole: Position { Position(file: self.file, line: 1, column: 1) }

    private func position(_ mark: Mark?) -> Position {
        guard let mark else { return self.whole }
        return Position(file: self.file, line: max(1, mark.line), column: max(1, mark.column))
    }

    private mutating func fail(_ mark: Mark?, _ message: String) {
        self.diagnostics.append(Diagnostic(.error, at: self.position(mark), message))
    }

    private mutating func node(_ node: Node, depth: Int) -> ConfigNode {
        self.count += 1
        let position = self.position(node.mark)
        guard self.count <= self.nodeLimit, depth <= Self.maximumDepth else {
            if self.count == self.nodeLimit + 1 || depth > Self.maximumDepth {
                self.fail(node.mark, "the file is too large or nested too deeply")
            }
            return ConfigNode(.scalar("", .plain), at: position)
        }
        switch node {
        case .scalar(let scalar): return ConfigNode(self.scalar(scalar), at: position)
        case .sequence(let sequence):
            return ConfigNode(.list(sequence.map { self.node($0, depth: depth + 1) }), at: position)
        case .mapping(let mapping):
            return ConfigNode(.map(self.entries(mapping, depth: depth)), at: position)
        case .alias(let alias):
            self.fail(alias.mark, "an alias that leads nowhere")
            return ConfigNode(.scalar("", .plain), at: position)
        }
    }

    private mutating func scalar(_ scalar: Node.Scalar) -> ConfigNode.Value {
        switch scalar.tag.description {
        case "": break
        case "!", "tag:yaml.org,2002:str": return .scalar(scalar.string, .quoted)
        default:
            self.fail(scalar.mark, "the tag \(scalar.tag.description) is not served; write the plain value")
        }
        switch scalar.style {
        case .any, .plain: return .scalar(scalar.string, .plain)
        case .singleQuoted, .doubleQuoted, .literal, .folded: return .scalar(scalar.string, .quoted)
        }
    }

    /// A map's entries; what `<<` merges in stands behind what is written.
    private mutating func entries(_ mapping: Node.Mapping, depth: Int) -> [ConfigEntry] {
        var entries: [ConfigEntry] = []
        var merged: [ConfigEntry] = []
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key else {
                self.fail(key.mark, "expected a name before the colon")
                continue
            }
            let node = self.node(value, depth: depth + 1)
            if scalar.string == "<<", scalar.style == .plain {
                merged.append(contentsOf: self.merged(node))
                continue
            }
            entries.append(ConfigEntry(key: scalar.string, position: self.position(scalar.mark), node: node))
        }
        for entry in merged where !entries.contains(where: { $0.key == entry.key }) { entries.append(entry) }
        return entries
    }

    private mutating func merged(_ node: ConfigNode) -> [ConfigEntry] {
        switch node.value {
        case .map(let entries): return entries
        case .list(let nodes): return nodes.flatMap { self.merged($0) }
        case .scalar:
            self.diagnostics.append(
                Diagnostic(.error, at: node.position, "'<<' merges a record, found \(node.kind)")
            )
            return []
        }
    }

    // MARK: Errors

    private func diagnostic(_ error: YamlError) -> Diagnostic {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return Diagnostic(.error, at: self.position(mark), "no well-formed YAML: \(problem)")
        case .reader(let problem, _, _, _):
            return Diagnostic(.error, at: self.whole, "no well-formed YAML: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "'\($0)'" }.joined(separator: ", ")
            return Diagnostic(
                .error,
                at: self.position(context.mark),
                "\(names) is there twice in one record"
            )
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            return Diagnostic(.error, at: self.whole, "no readable YAML")
        @unknown default:
            return Diagnostic(.error, at: self.whole, "no readable YAML")
        }
    }
}

extension References {
    /// The node with every reference in its scalars resolved; what leads nowhere is noted.
    func resolve(_ node: ConfigNode, into diagnostics: inout [Diagnostic]) -> ConfigNode {
        self.changed(node, &diagnostics) ?? node
    }

    /// The node with its references resolved; nil if it has none, so that only what changes is made anew.
    private func changed(_ node: ConfigNode, _ diagnostics: inout [Diagnostic]) -> ConfigNode? {
        switch node.value {
        case .list(var nodes):
            var isChanged = false
            for index in nodes.indices {
                guard let resolved = self.changed(nodes[index], &diagnostics) else { continue }
                nodes[index] = resolved
                isChanged = true
            }
            return isChanged ? ConfigNode(.list(nodes), at: node.position) : nil
        case .map(var entries):
            var isChanged = false
            for (index, entry) in entries.enumerated() {
                guard let resolved = self.changed(entry.node, &diagnostics) else { continue }
                entries[index] = ConfigEntry(key: entry.key, position: entry.position, node: resolved)
                isChanged = true
            }
            return isChanged ? ConfigNode(.map(entries), at: node.position) : nil
        case .scalar(let text, _):
            do throws(ReferenceError) {
                guard let value = try self.resolve(text) else { return nil }
                return ConfigNode(.scalar(value, .resolved), at: node.position)
            } catch {
                diagnostics.append(Diagnostic(.error, at: node.position, error.message))
                return ConfigNode(.unresolved, at: node.position)
            }
        }
    }
}
