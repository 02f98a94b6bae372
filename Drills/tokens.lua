-- Shows tokens at a pace: the one of the request's own field, or forged ones that each name another key.
-- Arguments: milliseconds between two requests of a connection; then, to forge, claims and signature of a token.
local pause, tail, words = 0, nil, {}

local function base64(text)
    local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    local parts = {}
    for place = 1, #text, 3 do
        local a, b, c = text:byte(place, place + 2)
        local bits = a * 65536 + b * 256 + c
        for _, shift in ipairs({262144, 4096, 64, 1}) do
            local index = math.floor(bits / shift) % 64
            parts[#parts + 1] = alphabet:sub(index + 1, index + 1)
        end
    end
    return table.concat(parts)
end

-- Three octets of the header are four of the token: what is around the name is filled up with blanks.
local head, foot = base64('{"alg":"RS256",  "kid":"'), base64('"} ')

function init(arguments)
    pause, tail = tonumber(arguments[1]), arguments[2]
    math.randomseed(os.time())
    for number = 0, 4095 do words[number] = base64(string.format("%03x", number)) end
end

function delay() return pause end

function request()
    if tail then
        local name = {}
        for place = 1, 5 do name[place] = words[math.random(0, 4095)] end
        wrk.headers["Authorization"] = "Bearer " .. head .. table.concat(name) .. foot .. "." .. tail
    end
    return wrk.format()
end

-- What came of it is said as the other drills say it.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "load.lua")
