-- A batch of claims on one database: reserve connections and join the pool's lease in one step, or say what to wait for.
-- ARGV: channel, most in line, ms between users, burst tolerance ms,
--       number of roles, per role: seats, holder ttl ms, most holders per lease, idle ms, role,
--       number of claims, per claim: holder, role's number, pool, want, least, may wait for an issue ms, may wait in line ms,
--                                    id for a new lease, kind (claim | renew | stay), caller
-- Answers the time, then six texts per claim, the first its kind:
--   granted  lease, connections, holder's end, lease's end, moved       issue   lease, fence, ms until it may start
--   wait     lease, ms until it may start                               line    place, free, capacity
--   short    free, could ask for, capacity, ms until the next end       throttled  ms until it may start
--   failed   ms until another attempt, why                              stale   ms since the last count
--   full     free, capacity                                             unknown
local at = 2
local function arg()
  local v = ARGV[at]
  at = at + 1
  return v
end

local most_in_line, spacing, tolerance = num(arg()), num(arg()), num(arg())
local roles = {}
for i = 1, num(arg()) do
  roles[i] = { seats = num(arg()), ttl = num(arg()), max = num(arg()), idle = num(arg()), name = arg() }
end
local claims, ids = {}, {}
for i = 1, num(arg()) do
  local c = { id = arg(), role = roles[num(arg())], pool = arg(), want = num(arg()), least = num(arg()), issue_wait = num(arg()),
              line_wait = num(arg()), new_lease = arg(), kind = arg(), caller = arg() }
  claims[i], ids[i] = c, c.id
end

tidy()

local packed = call('HMGET', holders, unpack(ids))
for i, id in ipairs(ids) do
  if holder_cache[id] == nil then read_holder(id, packed[i]) end
end

local reply = { int(now) }
local function answer(kind, a, b, c, d, e)
  reply[#reply + 1] = kind
  reply[#reply + 1] = a or ''
  reply[#reply + 1] = b or ''
  reply[#reply + 1] = c or ''
  reply[#reply + 1] = d or ''
  reply[#reply + 1] = e or ''
end

local function granted(h, l, moved)
  answer('granted', l.id, int(h.connections), int(h.till), int(l.expires), moved and '1' or '0')
end

-- Law L3: what is given has at least half of its lease's life left.
local function lively(l) return l.state == 'Active' and l.expires - now >= l.life / 2 end

-- Gives the holder its lease; asking again writes nothing while more than half of the holder's time is left.
local function give(c, h, l, moved)
  local till = math.min(now + c.role.ttl, l.expires)
  if h.phase ~= 'h' or moved or c.kind ~= 'claim' or h.till - now < c.role.ttl / 2 then
    h.phase, h.till = 'h', till
    write_holder(h)
  end
  granted(h, l, moved)
end

-- A lease that is being issued and still worth waiting for.
local function awaited(l)
  if l.attempt > 0 and l.attempt < now and l.begun then
    move(l, 'Unknown', 'the replica that was issuing it went away')
    return nil
  end
  if l.attempt == 0 and l.starts + BOOKING_GRACE_MS < now then
    move(l, 'Failed', 'nobody came back for the booked moment')
    return nil
  end
  return l
end

-- The pool's lease that takes new holders: active, being issued, or none. Who waits for one has its seat on it, full or not.
local function pools_lease(c, mine)
  if mine and mine.state == 'Issuing' and awaited(mine) then return mine end
  local id = call('HGET', pools, c.pool)
  local l = id and lease(id)
  if not l then return nil end
  if l.state == 'Active' then
    if not lively(l) then move(l, 'Retiring', 'too little time left for new holders') return nil end
    if l.holders >= l.max then return nil end
    return l
  end
  if l.state ~= 'Issuing' or l.holders >= l.max then return nil end
  return awaited(l)
end

-- A new lease for the pool: its intent, and the moment at which the database's pace allows it.
local function book(c)
  local tat = num(call('HGET', budget, 'booked'))
  local starts = math.max(now, tat - tolerance)
  if starts - now > BOOKING_AHEAD_MS then return nil, starts end
  call('HSET', budget, 'booked', int(math.max(tat, starts) + spacing))
  local l = { id = c.new_lease }
  lease_cache[l.id] = l
  put(l, 'state', 'Issuing')
  put(l, 'pool', c.pool)
  put(l, 'role', c.role.name)
  put(l, 'starts', starts)
  put(l, 'attempt', 0)
  put(l, 'begun', false)
  put(l, 'fence', 0)
  put(l, 'holders', 0)
  put(l, 'connections', 0)
  put(l, 'max', c.role.max)
  put(l, 'idle', c.role.idle)
  l.expires, l.life, l.renewable = 0, 0, false
  note(l, 'created', int(now))
  call('ZADD', order, int(now), l.id)
  call('HSET', pools, c.pool, l.id)
  look_at(l.id, starts + BOOKING_GRACE_MS)
  return l, starts
end

-- Law L1: whoever gets the fencing number issues, everybody else waits for it.
local function elect(c, l)
  put(l, 'fence', tonumber(call('HINCRBY', budget, 'fence', '1')))
  put(l, 'attempt', math.max(now, l.starts) + ATTEMPT_MS)
  look_at(l.id, l.attempt)
  answer('issue', l.id, int(l.fence), int(math.max(0, l.starts - now)))
end

-- Reserves for a holder that has nothing yet, in its turn. Answers nil when it said what to wait for.
local function reserve_for(c)
  local left, stale = free()
  if stale then
    answer('stale', int(stale))
    return nil
  end
  local capacity = call('HGET', budget, 'capacity')
  local ahead = call('ZRANK', line, c.id)
  if not ahead and num(call('ZCARD', line)) > 0 then serve_line() end
  if not ahead and num(call('ZCARD', line)) == 0 then
    local connections = share(c.role.name, c.role.seats, c.want, c.least)
    if connections then return reserve(c.id, c.caller, connections) end
  end
  if c.line_wait > 0 and c.least <= num(capacity) then
    if not ahead then
      if num(call('ZCARD', line)) >= most_in_line then
        answer('full', int(math.max(0, left)), capacity)
        return nil
      end
      call('ZADD', line, call('HINCRBY', budget, 'places', '1'), c.id)
    end
    call('HSET', tickets, c.id, int(c.want) .. '|' .. int(c.least) .. '|' .. int(c.role.seats) .. '|' .. int(now) .. '|' .. int(now + c.line_wait) .. '|' .. c.caller)
    serve_line()
    local served = holder(c.id)
    if served then return served end
    answer('line', int(num(call('ZRANK', line, c.id)) + 1), int(math.max(0, (free()))), capacity)
    return nil
  end
  if ahead then leave_line(c.id) end
  local next_end = call('ZRANGE', ends, '0', '0', 'WITHSCORES')[2]
  left = math.max(0, (free()))
  local could = num(call('ZCARD', line)) == 0 and left or 0
  answer('short', int(left), int(could), capacity, int(next_end and math.max(0, tonumber(next_end) - now) or -1))
  return nil
end

-- What a renewing holder does that cannot move yet: it keeps its lease to the lease's end.
local function stay(c, h, l)
  if l and (l.state == 'Active' or l.state == 'Retiring') and l.expires > now then
    h.till = math.min(now + c.role.ttl, l.expires)
    write_holder(h)
    granted(h, l, false)
    return true
  end
  return false
end

-- Both logins' connections are open for a while, so both are counted.
local function overlap(c, h, old)
  if c.kind ~= 'renew' or not old or old.state ~= 'Retiring' then return true end
  if free() >= h.connections then
    local shadow = { id = h.id .. '~', lease = '', connections = h.connections, till = math.min(now + OVERLAP_MS, old.expires), phase = 'h', caller = h.caller }
    if not holder(shadow.id) then
      count(shadow.id, shadow.connections, 1)
      bind(shadow, old)
      write_holder(shadow)
    end
    return true
  end
  return old.expires - now <= OVERLAP_MS
end

-- Law L4: who moves away may not have heard of it (the answer is lost, the audit is away): the lease it had lives on for as long
-- as it was promised, but not longer than moving takes.
local function linger(old, till)
  local to = math.min(now + OVERLAP_MS, till, old.expires)
  if to > num(call('HGET', leases, old.id .. ':linger')) then
    note(old, 'linger', int(to))
    look_at(old.id, to)
  end
end

-- The moment is too far off for this caller: it reserves nothing meanwhile, and keeps what it holds.
local function throttled(c, h, mine, starts)
  if h and h.phase == 'h' and stay(c, h, mine) then return end
  if h and h.phase == 'r' then drop_holder(h) end
  answer('throttled', int(starts - now))
end

local function decide(c)
  local h = holder(c.id)
  if not h and c.kind ~= 'claim' then return answer('unknown') end
  local mine = h and h.lease ~= '' and lease(h.lease)
  if mine and (lively(mine) or mine.state == 'Active' and c.kind == 'stay') then
    -- A lease that was given once and is still the pool's, or still good enough.
    return give(c, h, mine, false)
  end
  if c.kind == 'stay' then
    if not stay(c, h, mine) then answer('unknown') end
    return
  end
  if mine and h.phase == 'h' and mine.state == 'Active' then move(mine, 'Retiring', 'too little time left') end

  local l = pools_lease(c, mine)
  if l and l.state == 'Active' then
    h = h or reserve_for(c)
    if not h then return end
    if h.lease ~= l.id then
      local moved = h.phase == 'h'
      if moved and not overlap(c, h, mine) then return stay(c, h, mine) end
      if moved and mine then linger(mine, h.till) end
      unbind(h)
      bind(h, l)
      return give(c, h, l, moved)
    end
    return give(c, h, l, false)
  end

  local cooling, why = string.match(call('HGET', pools, c.pool .. '|cooling') or '', '^(%d+)|(.*)$')
  if not l and cooling and num(cooling) > now then
    -- Law L4: who holds a lease is not harmed by the next one's failing.
    if h and h.phase == 'h' and stay(c, h, mine) then return end
    return answer('failed', int(num(cooling) - now), why)
  end

  if not l then
    if not h then
      h = reserve_for(c)
      if not h then return end
    end
    local starts
    l, starts = book(c)
    if not l then return throttled(c, h, mine, starts) end
  end
  if l.starts - now > c.issue_wait then return throttled(c, h, mine, l.starts) end
  h = h or reserve_for(c)
  if not h then return end
  -- Who holds a lease keeps it until the next one works; who only reserved joins the one being issued.
  if h.phase == 'r' then
    if h.lease ~= l.id then
      unbind(h)
      bind(h, l)
    end
    h.till = math.max(now, l.starts) + RESERVED_MS
    write_holder(h)
  end
  if l.attempt < now then return elect(c, l) end
  answer('wait', l.id, int(math.max(0, l.starts - now)))
end

for _, c in ipairs(claims) do decide(c) end
return finish(reply)
