// Messages of gRPC in their frames, and calls that are none.
import Proxy
import Testing

@testable import Gateway

struct GRPCMessageTests {
    @Test func `a message is what its frame says, and nothing beside it`() throws {
        #expect(try GRPCMessage.only(in: [0, 0, 0, 0, 2, 7, 8]) == [7, 8])
        #expect(try GRPCMessage.only(in: [0, 0, 0, 0, 0]) == [])
        let long = [UInt8](repeating: 1, count: 70_000)
        #expect(try GRPCMessage.only(in: [0, 0, 1, 0x11, 0x70] + long) == long[...])
    }

    @Test(arguments: [
        ([], GRPCMessage.Fault.notOne, 12), ([0, 0, 0, 0], .cutOff, 13), ([0, 0, 0, 0, 1], .cutOff, 13),
        ([0, 0xFF, 0xFF, 0xFF, 0xFF, 1], .cutOff, 13), ([1, 0, 0, 0, 1, 7], .compressed, 12),
        ([2, 0, 0, 0, 1, 7], .compressed, 12), ([0, 0, 0, 0, 1, 7, 8], .notOne, 12),
        ([0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0], .notOne, 12),
    ])
    func `a body that is not one whole message is refused`(
        _ body: [UInt8],
        _ fault: GRPCMessage.Fault,
        _ code: Int
    ) {
        #expect(throws: fault) { try GRPCMessage.only(in: body) }
        let answer = GRPCMessage.answer(fault)
        #expect(answer.status == 200)
        #expect(answer.field("grpc-status") == String(code))
        #expect(answer.trailers.isEmpty)
        #expect(answer.meaning == 400)
    }

    @Test func `an answer is a message and its trailers`() throws {
        let message = [UInt8](repeating: 9, count: 300)
        let answer = GRPCMessage.answer(message, meaning: 401)
        #expect(try GRPCMessage.only(in: answer.body) == message[...])
        #expect(answer.status == 200)
        #expect(answer.meaning == 401)
        #expect(answer.trailers.map(\.0) == ["grpc-status"])
        #expect(answer.trailers.map(\.1) == ["0"])
        #expect(answer.field("grpc-status") == nil)
    }

    @Test func `a way to ask for compression is told with the fault`() {
        #expect(GRPCMessage.answer(.compressed).field("grpc-accept-encoding") == "identity")
    }
}
