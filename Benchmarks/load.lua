-- Asks with the requests of a file, one line after the other, and says what came of it in one line.
-- A line is `METHOD path octets-of-body Field: value`; a second argument says how many lines to pass over first.
local requests, at = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local method, path, octets, field = line:match("^(%S+) (%S+) (%d+) (.*)$")
        local name, value = field:match("^([^:]+): (.*)$")
        local body = octets ~= "0" and string.rep("x", tonumber(octets)) or nil
        requests[#requests + 1] = wrk.format(method, path, name and { [name] = value } or {}, body)
    end
    at = tonumber(arguments[2] or "0") % #requests
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
