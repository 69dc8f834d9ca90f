-- Prepended to the decisions on the sessions of pipelines, after common.lua; kept apart from every database, under a name of their own.
-- leases: id -> last end|text; holders: hash of an exchanged token -> its end; order and ends: both by their ends.
local sessions, exchanged, session_ends, exchanged_ends = leases, holders, order, ends
local function sweep(set, hash)
  for _, over in ipairs(call('ZRANGEBYSCORE', set, '-inf', int(now), 'LIMIT', '0', '100')) do
    call('ZREM', set, over)
    call('HDEL', hash, over)
  end
end
keep_time()
sweep(session_ends, sessions)
sweep(exchanged_ends, exchanged)

-- The time until a session's end; nil: there is none.
local function ends_in(id)
  local till = call('ZSCORE', session_ends, id)
  return till and tonumber(till) > now and tonumber(till) - now or nil
end

-- A session's last end and its text.
local function session(id)
  local last, text = string.match(call('HGET', sessions, id) or '', '^(%d+)|(.*)$')
  return num(last), text or ''
end
