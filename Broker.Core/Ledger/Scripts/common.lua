-- Put before every decision. One database's keys, all under one hash tag; times are the ledger's own, in milliseconds.
-- Runs alike in Redis (Lua 5.1) and in the in-process ledger (Lua 5.4): no integer division, numbers written by int().
local call = redis.call
local unpack = unpack or table.unpack
local budget, leases, order, pools, holders, ends, line, tickets, duties, takes, flights = unpack(KEYS)

local RESERVED_MS = 5000       -- a reservation whose waiter gives no sign of life for so long is dropped
local TICKET_MS = 3000         -- so is a place in line
local ATTEMPT_MS = 4000        -- an attempt to issue without a sign of life for so long passes to another replica
local BOOKING_GRACE_MS = 30000 -- a booked moment to issue is kept for its caller for so long
local BOOKING_AHEAD_MS = 600000 -- nobody is booked further ahead
local OVERLAP_MS = 60000       -- a holder that moves to another lease has both logins' connections open for so long at most
local KEEP_MS = 600000         -- a lease that is over stays visible for so long

local clock = call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function int(n) return string.format('%.0f', n) end
local function num(text) return tonumber(text or '0') or 0 end

-- Waking those who wait: once per decision and subject, after everything is written.
local signals = {}
local function signal(subject)
  for _, known in ipairs(signals) do if known == subject then return end end
  signals[#signals + 1] = subject
end
local function finish(reply)
  for _, subject in ipairs(signals) do call('PUBLISH', ARGV[1], subject) end
  return reply
end

-- Duties -------------------------------------------------------------------------------------------------------------
-- A member "lease:<id>" is looked at again at its score, by whichever replica comes first.
local function look_at(id, at)
  local member = 'lease:' .. id
  local set = call('ZSCORE', duties, member)
  if not set or tonumber(set) > at then call('ZADD', duties, int(at), member) end
end

-- Leases -------------------------------------------------------------------------------------------------------------
-- The legal moves of a lease, all of them (Words/LeaseState.cs names the states).
local MOVES = {
  Issuing  = { Active = true, Failed = true, Unknown = true },
  Active   = { Retiring = true, Expired = true },
  Retiring = { Revoking = true, Expired = true },
  Unknown  = { Revoking = true },
  Expired  = { Revoking = true },
  Revoking = { Revoked = true },
  Revoked  = {},
  Failed   = {},
}
local LEASE_FIELDS = { 'state', 'pool', 'fence', 'starts', 'attempt', 'begun', 'expires', 'life', 'holders', 'connections', 'max', 'idle', 'role', 'renewable' }
local lease_cache = {}

local function lease(id)
  local known = lease_cache[id]
  if known ~= nil then return known end
  local names = {}
  for i, field in ipairs(LEASE_FIELDS) do names[i] = id .. ':' .. field end
  local v = call('HMGET', leases, unpack(names))
  local l = false
  if v[1] then
    l = { id = id, state = v[1], pool = v[2], fence = num(v[3]), starts = num(v[4]), attempt = num(v[5]), begun = v[6] == '1',
          expires = num(v[7]), life = num(v[8]), holders = num(v[9]), connections = num(v[10]), max = num(v[11]), idle = num(v[12]),
          role = v[13], renewable = v[14] == '1' }
  end
  lease_cache[id] = l
  return l
end

local function put(l, field, value)
  l[field] = value
  local text = value
  if type(value) == 'number' then text = int(value) elseif type(value) == 'boolean' then text = value and '1' or '0' end
  call('HSET', leases, l.id .. ':' .. field, text)
end

local function note(l, field, text) call('HSET', leases, l.id .. ':' .. field, text) end

-- Moves a lease to another state, or says why not.
local function move(l, to, why)
  if not MOVES[l.state][to] then return false end
  put(l, 'state', to)
  if why and why ~= '' then note(l, 'why', why) end
  if to ~= 'Active' and call('HGET', pools, l.pool) == l.id then call('HDEL', pools, l.pool) end
  if to == 'Revoked' or to == 'Failed' then
    look_at(l.id, now + KEEP_MS)
    call('ZADD', duties, int(now + KEEP_MS), 'lease:' .. l.id)
  else
    look_at(l.id, now)
  end
  signal('pool:' .. l.pool)
  return true
end

-- Holders ------------------------------------------------------------------------------------------------------------
-- lease|connections|end|phase|caller: phase 'r' = connections reserved, the lease not yet given; 'h' = holding it.
local holder_cache = {}

local function read_holder(id, packed)
  local h = false
  if packed then
    local on, connections, till, phase, caller = string.match(packed, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
    h = { id = id, lease = on, connections = num(connections), till = num(till), phase = phase, caller = caller }
  end
  holder_cache[id] = h
  return h
end

local function holder(id)
  local known = holder_cache[id]
  if known ~= nil then return known end
  return read_holder(id, call('HGET', holders, id))
end

local function write_holder(h)
  holder_cache[h.id] = h
  call('HSET', holders, h.id, h.lease .. '|' .. int(h.connections) .. '|' .. int(h.till) .. '|' .. h.phase .. '|' .. h.caller)
  call('ZADD', ends, int(h.till), h.id)
end

-- The role is the part of a holder's id before the dot.
local function role_of(id) return string.match(id, '^([^.]*)') end

local function count(id, connections, by)
  local role = role_of(id)
  call('HINCRBY', budget, 'granted', int(by * connections))
  call('HINCRBY', budget, 'holders:' .. role, int(by))
  call('HINCRBY', budget, 'connections:' .. role, int(by * connections))
end

local function bind(h, l)
  h.lease = l.id
  put(l, 'holders', l.holders + 1)
  put(l, 'connections', l.connections + h.connections)
end

local function unbind(h)
  local l = h.lease ~= '' and lease(h.lease)
  h.lease = ''
  if not l then return end
  put(l, 'holders', math.max(0, l.holders - 1))
  put(l, 'connections', math.max(0, l.connections - h.connections))
  if l.holders == 0 then
    note(l, 'empty', int(now))
    look_at(l.id, l.state == 'Retiring' and now or now + l.idle)
  end
end

local function drop_holder(h)
  unbind(h)
  count(h.id, h.connections, -1)
  call('HDEL', holders, h.id)
  call('ZREM', ends, h.id)
  holder_cache[h.id] = false
end

-- Ends the holders whose end has come; a bounded number at a time, because not ending one yet is safe.
local function end_holders()
  local over = call('ZRANGEBYSCORE', ends, '-inf', int(now), 'LIMIT', '0', '100')
  for _, id in ipairs(over) do
    local h = holder(id)
    if h then drop_holder(h) else call('ZREM', ends, id) end
  end
  return #over
end

-- The budget ---------------------------------------------------------------------------------------------------------
-- How many connections are free: none while nobody could count lately (age: ms since the last count).
local function free()
  local v = call('HMGET', budget, 'capacity', 'granted', 'sampled', 'stale')
  local age = now - num(v[3])
  if not v[1] or age > num(v[4]) then return 0, age end
  return num(v[1]) - num(v[2]), nil
end

-- What a claim gets now, or nil: never more than is free (law L2), and early holders of a role leave room for those that
-- are still to come (seats = expected holders and their surge).
local function share(role, seats, want, least)
  local left = free()
  if left < least then return nil end
  local coming = math.max(1, seats - num(call('HGET', budget, 'holders:' .. role)))
  return math.max(least, math.min(want, math.floor(left / coming)))
end

local function reserve(id, caller, give)
  local h = { id = id, lease = '', connections = give, till = now + RESERVED_MS, phase = 'r', caller = caller }
  count(id, give, 1)
  write_holder(h)
  return h
end

-- The line: first come, first served ---------------------------------------------------------------------------------
-- want|least|seats|seen|until|caller, by holder; its place is its score in the line.
local function leave_line(id)
  call('ZREM', line, id)
  call('HDEL', tickets, id)
end

-- Serves from the head as far as the connections reach. Who is first and needs more than is free holds up those behind:
-- a small later claim never starves a large earlier one. Who has left or waited long enough is passed over.
local function serve_line()
  while true do
    local id = call('ZRANGE', line, '0', '0')[1]
    if not id then return end
    local want, least, seats, seen, till, caller = string.match(call('HGET', tickets, id) or '', '^(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
    if not want or num(seen) + TICKET_MS < now or num(till) < now then
      leave_line(id)
    else
      local give = share(role_of(id), num(seats), num(want), num(least))
      if not give then return end
      leave_line(id)
      if not holder(id) then reserve(id, caller, give) end
      signal('line')
    end
  end
end

-- Frees what is over and gives it to those in line.
local function tidy()
  if end_holders() > 0 then serve_line() end
end
