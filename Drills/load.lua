-- Says in one line what came of a round: answers, failures, p50 and p99 in microseconds.
function done(summary, latency)
    local errors = summary.errors
    local failures = errors.status + errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format("result %d %d %d %d\n", summary.requests, failures,
        latency:percentile(50), latency:percentile(99)))
end
