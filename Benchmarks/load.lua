-- Asks with the fields of a file, one line after the other, and says what came of it in one line.
local requests, at = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local name, value = line:match("^([^:]+): (.*)$")
        if name then requests[#requests + 1] = wrk.format(nil, nil, { [name] = value }) end
    end
    if #requests == 0 then requests[1] = wrk.format() end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    local failures = errors.status + errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format("result %d %d %d %d\n", summary.requests, failures,
        latency:percentile(50), latency:percentile(99)))
end
