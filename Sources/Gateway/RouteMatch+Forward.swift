// How a matched request looks to its upstream.
import Proxy

extension RouteMatch {
    /// Whether the route asks for another target, host or prefix than the client's.
    var changesRequest: Bool {
        let planned = self.planned
        return planned.route.preservesHost || (planned.route.stripsPath && self.matchedPathBytes > 0)
            || !UpstreamTarget.isUnchanged(
                matched: self.matchedPathBytes,
                strips: planned.route.stripsPath,
                base: planned.servicePath
            )
    }

    /// Fills in target, host, prefix and method, as the route and its plugins ask.
    func shape(_ order: inout ForwardOrder, _ passage: Passage) {
        let (planned, base, head) = (self.planned, self.planned.servicePath, passage.request)
        let (edit, replaced) = (passage.queryEdit, passage.chosen)
        var words = ForwardOrder.Words()
        let isUnchanged = UpstreamTarget.isUnchanged(
            matched: self.matchedPathBytes,
            strips: planned.route.stripsPath,
            base: base
        )
        if !isUnchanged || edit != .unchanged || replaced.path != nil {
            var target =
                replaced.path
                ?? UpstreamTarget.path(
                    of: head.path,
                    matched: self.matchedPathBytes,
                    strips: planned.route.stripsPath,
                    base: base,
                    planned.route.pathHandling
                )
            let query: [UInt8]? =
                switch edit {
                case .unchanged: head.query.map { Array($0) }
                case .replaced(let octets): octets
                }
            if let query {
                target.append(UInt8(ascii: "?"))
                target.append(contentsOf: query)
            }
            words.target = target
        }
        words.method = replaced.method
        // HTTP/1.0 may name no host; then the upstream gets its own.
        let keepsHost = planned.route.preservesHost && !head.authority.isEmpty
        words.host = replaced.host ?? (keepsHost ? Array(head.authority) : nil)
        if planned.route.stripsPath, self.matchedPathBytes > 0 {
            words.forwardedPrefix = Array(head.path.prefix(self.matchedPathBytes))
        }
        order.words = words
    }
}
