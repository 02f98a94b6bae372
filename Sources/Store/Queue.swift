// A queue that neither moves nor frees its elements one by one.

/// First in, first out.
struct Queue<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private var start = 0

    var count: Int { self.elements.count - self.start }
    var first: Element? { self.start < self.elements.count ? self.elements[self.start] : nil }

    mutating func append(_ element: Element) { self.elements.append(element) }

    mutating func popFirst() -> Element? {
        guard self.start < self.elements.count else { return nil }
        let element = self.elements[self.start]
        self.start += 1
        if self.start == self.elements.count {
            self.elements.removeAll(keepingCapacity: true)
            self.start = 0
        } else if self.start >= 1024 {
            self.elements.removeFirst(self.start)
            self.start = 0
        }
        return element
    }
}
