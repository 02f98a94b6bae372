-- HAProxy asks Gatehouse about a request and does what it says; see haproxy.cfg beside this file.
--
--     lua-load gatehouse.lua
--     http-request lua.gatehouse http://127.0.0.1:8000/oauth2/forward-auth
--     http-response lua.gatehouse-cookies

-- Milliseconds for the callout; a verdict that does not come is no yes.
local patience = 5000

-- What tells of the original request is set here alone; what belongs to the connection ends here.
local ours = {
    ["x-original-url"] = true, ["x-original-uri"] = true, ["x-original-method"] = true, ["x-rewrite-url"] = true,
    ["x-forwarded-uri"] = true, ["x-forwarded-method"] = true, ["x-forwarded-host"] = true,
    ["x-forwarded-proto"] = true, ["x-forwarded-port"] = true, ["x-forwarded-for"] = true,
    ["x-forwarded-prefix"] = true, ["x-forwarded-path"] = true, ["forwarded"] = true, ["x-real-ip"] = true,
    ["host"] = true, ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true,
    ["upgrade"] = true, ["transfer-encoding"] = true, ["content-length"] = true, ["expect"] = true,
    ["proxy-connection"] = true, ["http2-settings"] = true,
}

-- What of the callout's answer is about the answer itself; all else is for the application.
local about_the_answer = {
    ["content-length"] = true, ["content-type"] = true, ["transfer-encoding"] = true, ["connection"] = true,
    ["keep-alive"] = true, ["date"] = true, ["cache-control"] = true, ["via"] = true, ["set-cookie"] = true,
    ["www-authenticate"] = true, ["x-auth-request-remove"] = true, ["x-content-type-options"] = true,
    ["vary"] = true,
}

-- Calls f(name, value) for every field, in order; HAProxy counts values from 0.
local function each(fields, f)
    for name, values in pairs(fields or {}) do
        local index = values[0] ~= nil and 0 or 1
        while values[index] ~= nil do
            f(name:lower(), values[index])
            index = index + 1
        end
    end
end

local function question(txn)
    local fields = {}
    each(txn.http:req_get_headers(), function(name, value)
        if not ours[name] then
            fields[name] = fields[name] or {}
            table.insert(fields[name], value)
        end
    end)
    fields["x-forwarded-method"] = { txn.sf:method() }
    fields["x-forwarded-uri"] = { txn.sf:pathq() }
    fields["x-forwarded-host"] = { txn.sf:req_hdr("host") }
    fields["x-forwarded-proto"] = { txn.sf:ssl_fc() == "1" and "https" or "http" }
    fields["x-forwarded-for"] = { txn.sf:src() }
    return fields
end

local function refuse(txn, answer)
    local reply = txn:reply()
    reply:set_status(answer.status)
    each(answer.headers, function(name, value)
        if name ~= "content-length" and name ~= "connection" and name ~= "transfer-encoding" then
            reply:add_header(name, value)
        end
    end)
    reply:set_body(answer.body or "")
    txn:done(reply)
end

local function unavailable(txn)
    local reply = txn:reply()
    reply:set_status(503)
    reply:add_header("retry-after", "5")
    txn:done(reply)
end

-- Sets what the application shall see and takes off what it shall not, however the client spelled it.
local function pass(txn, answer)
    local cookies, told = {}, {}
    for _, name in ipairs({ "authorization", "cookie" }) do txn.http:req_del_header(name) end
    each(answer.headers, function(name, value)
        if name == "x-auth-request-remove" then
            for unwanted in value:gmatch("[^%s,]+") do txn.http:req_del_header(unwanted) end
        elseif name == "set-cookie" then
            table.insert(cookies, value)
        elseif not about_the_answer[name] and not name:find("^x%-auth%-request%-set%-cookie") then
            table.insert(told, { name, value })
            txn.http:req_del_header(name)
        end
    end)
    for _, field in ipairs(told) do
        if field[2] ~= "" then txn.http:req_add_header(field[1], field[2]) end
    end
    txn:set_priv(cookies)
end

core.register_action("gatehouse", { "http-req" }, function(txn, callout)
    local fields = question(txn)
    local answer = core.httpclient():get({ url = callout, headers = fields, timeout = patience })
    if not answer or not answer.status or answer.status == 0 then return unavailable(txn) end
    if answer.status == 200 then return pass(txn, answer) end
    refuse(txn, answer)
end, 1)

core.register_action("gatehouse-cookies", { "http-res" }, function(txn)
    for _, cookie in ipairs(txn:get_priv() or {}) do txn.http:res_add_header("set-cookie", cookie) end
end)
