// A client's connection, as its worker watches over it.

import NIOCore

/// What a worker has to do with a connection, whatever protocol it speaks.
protocol ClientConnection: AnyObject {
    /// Where the worker keeps it.
    var place: Int? { get set }
    /// When something must have happened.
    var deadline: NIODeadline { get }
    /// When what let a stream in ends.
    var endsAt: NIODeadline { get }
    /// It has ended.
    func identityEnded()
    /// Something was taken back that may have let a request in.
    func review()
    /// The deadline has passed.
    func timeIsUp(_ now: NIODeadline)
    /// Lets go of what only a request needs.
    func rest()
    /// The server drains: what is idle may end soon.
    func drain(_ now: NIODeadline)
    /// Closes at once.
    func abort()
}

extension ClientConnection {
    /// Before there is a request nothing let one in.
    func review() {}
}
