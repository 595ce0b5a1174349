-- Asks as several callers in turn. Arguments: the method, a file with a line of headers for each
-- caller (names and values in turn, tabs between), and a file with the body.

function init(arguments)
  wrk.method = arguments[1]
  local body = io.open(arguments[3]):read("*a")
  if body ~= "" then wrk.body = body end
  local callers = {}
  for line in io.lines(arguments[2]) do
    local headers, name = {}, nil
    for word in line:gmatch("[^\t]+") do
      if name then headers[name], name = word, nil else name = word end
    end
    table.insert(callers, headers)
  end
  if #callers == 1 then
    -- Without a function `request`, wrk makes the request once and asks no more.
    for name, value in pairs(callers[1]) do wrk.headers[name] = value end
    return
  end
  local requests, turn = {}, 0
  for place, headers in ipairs(callers) do
    headers["Host"] = wrk.headers["Host"]
    requests[place] = wrk.format(nil, nil, headers)
  end
  function request()
    turn = turn % #requests + 1
    return requests[turn]
  end
end

-- One line of JSON at the end. Latencies in microseconds; wrk counts statuses from 400 on as
-- errors, and so do we.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"p50":%d,"p95":%d,"p99":%d,"errors":%d}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
