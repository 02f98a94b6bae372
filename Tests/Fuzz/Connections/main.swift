// The checks on what comes over connections.

import FuzzRunner
import ProxyChecks

Fuzzer.run([
    "requests": { try RequestCheck.run($0) },
    "answers": { try AnswerCheck.run($0) },
    "chunked": { try ChunkedCheck.run($0) },
    "frames": { try FramesCheck.run($0) },
    "connection": { try ConnectionCheck.run($0) },
    "hello": { try HelloCheck.run($0) },
    "header": { try HeaderCheck.run($0) },
])
