// The keys that a person names: a file, or a URL.
import ArgumentParser
import Fetch
import Foundation
import JOSE
import JSON

/// Reads a JWK set from where a flag says.
enum TokenKeys {
    /// Reads a file, which may hold private and shared keys, or fetches a URL, which may not.
    static func read(_ place: String) async throws -> JWKSet {
        let isURL = place.hasPrefix("https://") || place.hasPrefix("http://")
        let bytes = isURL ? try await fetch(place) : try file(place)
        do {
            return try JWKSet(parsing: bytes, from: isURL ? .network : .configuration)
        } catch {
            throw Question.impossible("\(place) holds no JWK set: \(error).")
        }
    }

    private static func file(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Question.impossible("The file \(path) cannot be read.")
        }
        return Array(data)
    }

    private static func fetch(_ url: String) async throws -> [UInt8] {
        let client = try CurlClient()
        defer { client.close() }
        do {
            let response = try await client.fetch(FetchRequest(url: url))
            guard response.status == 200 else {
                throw Question.impossible("The keys' URL answered with status \(response.status).")
            }
            return response.body
        } catch let error as FetchError {
            throw Question.impossible("The keys cannot be fetched: \(error.reason).")
        }
    }
}
