// A token's JSON under any bytes, with jansson as the second opinion.

import JSON

@testable import JOSE

/// Reads bytes as the JSON of a token and as a document: both take it and say the same, or both refuse it.
package enum ObjectTextCheck {
    /// Holds `input` to the promise.
    package static func run(_ input: [UInt8]) throws(Finding) {
        let ours = try? JSONObjectText(input)
        var theirs: JSONValue?
        if case .object(let members)? = try? JSONValue(parsing: input) { theirs = .object(members) }
        guard let ours, case .object(let members)? = theirs else {
            try demand(ours == nil, "let in, refused by jansson: \(shown(input))")
            return try demand(theirs == nil, "refused, let in by jansson: \(shown(input))")
        }
        try demand(ours.value == .object(members), "read otherwise: \(shown(input))")
        for (name, value) in members {
            // A name is found by its octets; a `String` in a table by what Unicode takes for it.
            guard let found = ours[name] else {
                let isOtherSpelling = name.utf8.contains { $0 > 0x7F }
                try demand(isOtherSpelling, "a member is not found: \(shown(input))")
                continue
            }
            try demand(found == value, "a member reads otherwise: \(shown(input))")
            try demand(ours.has(name), "a member is not there: \(shown(input))")
            try demand(ours.string(name) == value.string, "a text reads otherwise: \(shown(input))")
            try demand(ours.isString(name) == (value.string != nil), "a text is none: \(shown(input))")
            try demand(ours.number(name) == value.number, "a number reads otherwise: \(shown(input))")
            if let text = value.string {
                try demand(ours.string(name, is: text) == true, "a text is not itself: \(shown(input))")
                try demand(ours.string(name, is: text + "x") == false, "a text is another: \(shown(input))")
            }
        }
        try demand(!ours.has("\u{1}none"), "a member is there that was not written: \(shown(input))")
    }
}
