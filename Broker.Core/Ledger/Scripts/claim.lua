-- A batch of claims on one database: reserve connections and join the pool's lease in one step, or say what to wait for.
-- ARGV: channel, highest sequence number seen, most in line, ms between users, burst tolerance ms,
--       how the ids of new leases begin, number of roles, per role: seats, holder ttl ms, most holders per lease, idle ms, role,
--       number of asks, per ask: role's number, pool, want, least, may wait for an issue ms, may wait in line ms,
--                                kind (claim | renew | stay), number of claims, per claim: holder, caller
-- Answers the time, the sequence number, then a text per claim, its parts divided by bars, the first its kind:
--   granted  lease, connections, holder's end, lease's end, verified, moved (empty: not | ms for which the old connections may stay
--            open beside the new ones; 0: they are to be closed first), leaving (1: the lease is retiring),
--            what the cap of the lease's user leaves (below 0: it is to be raised first; empty: there is no cap)
--   issue    lease, fence, ms until it may start                        wait    lease, ms until it may start
--   line     place, free, capacity                                      throttled  ms until it may start
--   short    free, could ask for, capacity, ms until the next end       failed  ms until another attempt, why
--   stale    ms since the last count                                    full    free, capacity
--   unknown
local at = 2
local function arg()
  local v = ARGV[at]
  at = at + 1
  return v
end

local seen, most_in_line, spacing, tolerance = num(arg()), num(arg()), num(arg()), num(arg())
local new_leases = arg()
local roles = {}
for i = 1, num(arg()) do
  roles[i] = { seats = num(arg()), ttl = num(arg()), max = num(arg()), idle = num(arg()), name = arg() }
end
local whose, ids, callers = {}, {}, {}
for _ = 1, num(arg()) do
  local ask = { role = roles[num(arg())], pool = arg(), want = num(arg()), least = num(arg()), issue_wait = num(arg()), line_wait = num(arg()), kind = arg() }
  ask.__index = ask -- a claim is its ask, and whose it is
  for i = #ids + 1, #ids + num(arg()) do whose[i], ids[i], callers[i] = ask, arg(), arg() end
end

-- A number lower than one that was seen: the ledger lost its last writes (law L8).
local seq = num(call('HGET', budget, 'seq'))
if seq < seen then
  seq = seen
  call('HSET', budget, 'seq', int(seen), 'epoch', int(now), 'quiet', int(now + QUIET_MS))
end

tidy()

local packed = call('HMGET', holders, unpack(ids))

local reply = { int(now), '' }
local function answer(...) reply[#reply + 1] = table.concat({ ... }, '|') end

local function granted(h, l, moved)
  answer('granted', l.id, int(h.connections), int(h.till), int(l.expires), int(l.verified), moved and int(moved) or '', l.state == 'Active' and '0' or '1',
    l.cap >= 0 and int(l.cap - l.connections) or '')
end

-- Gives the holder its lease; asking again writes nothing while more than half of the holder's time is left.
local function give(c, h, l, moved)
  local till = math.min(now + c.role.ttl, l.expires)
  if h.phase ~= 'h' or moved or c.kind ~= 'claim' or h.till - now < c.role.ttl / 2 then
    h.phase, h.till = 'h', till
    write_holder(h)
  end
  granted(h, l, moved)
end

-- Reserves for a holder that has nothing yet, in its turn. Answers nil when it said what to wait for.
local function reserve_for(c)
  local left, stale = free()
  if stale then
    answer('stale', int(stale))
    return nil
  end
  local capacity = int(budget_numbers().capacity)
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

-- What a holder does that cannot move yet: it keeps its lease to the lease's end.
local function stay(c, h, l)
  if l and (l.state == 'Active' or l.state == 'Retiring') and l.expires > now then
    h.till = math.min(now + c.role.ttl, l.expires)
    write_holder(h)
    granted(h, l)
    return true
  end
  return false
end

-- Both logins' connections are open for a while, so both are counted; holders therefore move in waves, as far as the budget
-- reaches (law L2). Whose lease is about to end, or works no more, closes its old connections first. Answers for how long both may be
-- open, nil: it cannot move yet.
local function how_to_move(h, old)
  if not old or old.state ~= 'Retiring' then return 0 end
  local shadow = holder(h.id .. '~')
  if shadow and shadow.lease == old.id then return shadow.till - now end
  if old.expires - now >= SHORTEST_OVERLAP_MS and not shadow and free() >= h.connections then
    shadow = { id = h.id .. '~', lease = '', connections = h.connections, till = math.min(now + OVERLAP_MS, old.expires), phase = 'h', caller = h.caller }
    count(shadow.id, shadow.connections, 1)
    bind(shadow, old)
    write_holder(shadow)
    return shadow.till - now
  end
  if old.broken or old.expires - now <= OVERLAP_MS then return 0 end
  return nil
end

-- Law L4: who is moved may not hear of it (the answer is lost, the audit is away): the lease it had lives on for as long as it was
-- promised, but not longer than moving takes.
local function linger(old, till)
  note(old, 'linger', int(math.max(math.min(now + OVERLAP_MS, till, old.expires), num(call('HGET', leases, old.id .. ':linger')))))
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
  if mine and (lively(mine) or unproven(mine) and h.phase == 'h' or mine.state == 'Active' and c.kind == 'stay') then
    -- A lease that was given once and is still the pool's, or still good enough.
    return give(c, h, mine)
  end
  if c.kind == 'stay' then
    if not stay(c, h, mine) then answer('unknown') end
    return
  end
  if mine and h.phase == 'h' and mine.state == 'Active' then move(mine, 'Retiring', 'too little time left') end

  local p = pool(c.pool)
  local l = pools_lease(p, nil, mine)
  if l and unproven(l) then
    if h and h.phase == 'h' and stay(c, h, mine) then return end
    return answer('wait', l.id, '0')
  end
  if l and l.state == 'Active' then
    h = h or reserve_for(c)
    if not h then return end
    if h.lease == l.id then return give(c, h, l) end
    local moved = nil
    if h.phase == 'h' then
      moved = how_to_move(h, mine)
      if not moved then return stay(c, h, mine) end
    end
    if moved == 0 and mine and mine.state == 'Retiring' and not mine.broken then linger(mine, h.till) end
    unbind(h)
    bind(h, l)
    return give(c, h, l, moved)
  end

  if not l and p.cooling > now then
    -- Law L4: who holds a lease is not harmed by the next one's failing.
    if h and h.phase == 'h' and stay(c, h, mine) then return end
    return answer('failed', int(p.cooling - now), p.why)
  end

  if not l then
    if not h then
      h = reserve_for(c)
      if not h then return end
    end
    local starts
    l, starts = book(p, c.role, new_leases .. string.format('%02x', c.nth - 1), spacing, tolerance)
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
  if l.attempt < now then
    local wait = elect(l)
    return answer('issue', l.id, int(l.fence), int(wait))
  end
  answer('wait', l.id, int(math.max(0, l.starts - now)))
end

-- Most claims are of pods that hold a good lease and ask again: their answer is put together from what is written, and nothing else
-- is made for them. Answers nil where there is more to decide.
local function again(ask, text)
  local id, connections, till = string.match(text, '^([^|]+)|(%d+)|(%d+)|h|')
  local l = id and lease(id)
  if not l or not lively(l) or tonumber(till) - now < ask.role.ttl / 2 then return nil end
  l.said = l.said or int(l.expires) .. '|' .. int(l.verified) .. '||0|'
  return 'granted|' .. id .. '|' .. connections .. '|' .. till .. '|' .. l.said .. (l.cap >= 0 and int(l.cap - l.connections) or '')
end

for i, id in ipairs(ids) do
  local ask, text = whose[i], packed[i]
  local said = nil
  if holder_cache[id] == nil then -- else a claim before it in this batch has changed it
    said = text and ask.kind == 'claim' and again(ask, text)
    if not said then read_holder(id, text) end
  end
  if said then reply[#reply + 1] = said else decide(setmetatable({ nth = i, id = id, caller = callers[i] }, ask)) end
end

local _, changed = finish(reply)
reply[2] = int(changed and seq + 1 or seq)
return reply
