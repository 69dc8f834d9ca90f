-- Prepended to the decisions that may give a pool a new lease, after common.lua.

-- The lease, if it is being issued and still worth waiting for.
local function awaited(l)
  if l.attempt > 0 and l.begun and somebodys_till(l) < now then
    move(l, 'Unknown', 'the replica that was issuing it went away')
    return nil
  end
  if l.attempt == 0 and l.starts + BOOKING_GRACE_MS < now then
    move(l, 'Failed', 'nobody came back for the booked moment')
    return nil
  end
  return l
end

-- How many connections the database lets a role's user open, as the last issued user showed; -1: any number.
local limit_of = {}
local function user_limit(role)
  if not limit_of[role] then
    local known = call('HGET', budget, 'user_limit:' .. role)
    limit_of[role] = known and num(known) or -1
  end
  return limit_of[role]
end

-- Whether a lease's user may open this many more.
local function fits(l, more) return l.limit < 0 or l.connections + more <= l.limit end

-- The pool's lease that takes holders, or else the lease that is being issued; nil: the pool needs one.
-- instead_of: a lease that is about to be replaced, and takes holders until its successor works.
-- mine: the lease that the asking holder waits for: the holder has its seat on it, full or not.
-- more: the connections that the lease has to bear for the asking holder.
local function pools_lease(p, instead_of, mine, more)
  if mine and mine.state == 'Issuing' and awaited(mine) then return mine end
  local taker = p.taker and p.taker ~= instead_of and lease(p.taker)
  if taker and taker.state == 'Active' then
    if unproven(taker) then return taker end
    if not lively(taker) then move(taker, 'Retiring', 'too little time left for new holders')
    elseif taker.holders < taker.max and fits(taker, more or 0) then return taker end
  end
  local l = p.next and lease(p.next)
  if not l or l.state ~= 'Issuing' or l.holders >= l.max or not fits(l, more or 0) then return nil end
  return awaited(l)
end

-- A new lease for the pool: its intent, and the moment at which the database's pace allows it; nil and the moment when that is
-- too far off. role: name, max_holders, idle_ttl. wait: how long somebody will wait for it. A moment beyond that is kept only while
-- few moments are kept, because a moment that is kept for an absent caller is lost to all others.
local function book(p, role, id, spacing, tolerance, wait)
  local KEPT_AHEAD_MS = 10000 -- a caller that will not wait is booked no further ahead than this, or than the next moment: few come back
  local tat = num(call('HGET', budget, 'booked'))
  local starts = math.max(now, tat - tolerance)
  if starts - now > math.min(BOOKING_AHEAD_MS, math.max(wait, KEPT_AHEAD_MS, spacing)) then return nil, starts end
  call('HSET', budget, 'booked', int(math.max(tat, starts) + spacing))
  local l = { id = id, expires = 0, life = 0, renewable = false, verified = 0, broken = false, cap = -1 }
  lease_cache[id] = l
  put(l, 'limit', user_limit(role.name))
  put(l, 'state', 'Issuing')
  put(l, 'pool', p.name)
  put(l, 'role', role.name)
  put(l, 'starts', starts)
  put(l, 'attempt', 0)
  put(l, 'begun', false)
  put(l, 'fence', '0')
  put(l, 'holders', 0)
  put(l, 'connections', 0)
  put(l, 'max', role.max_holders)
  put(l, 'idle', role.idle_ttl)
  note(l, 'v', int(SCHEMA))
  note(l, 'created', int(now))
  call('ZADD', order, int(now), id)
  set_next(p, id)
  due_at('reap', id, starts + BOOKING_GRACE_MS)
  return l, starts
end

-- A number below 100000 that is derived from a text.
local function own_number(text)
  local number = 0
  for i = 1, #text do number = (number * 31 + string.byte(text, i)) % 99991 end
  return number
end

-- Law L1: the replica that gets the fencing number issues, and all others wait for it. Answers how long the replica waits before it starts.
local function elect(l, by)
  -- Higher than all before it, by the clock too, and particular to this asker: no ledger that fell back gives it again.
  local count = math.max(num(call('HGET', budget, 'fencing')) + 1, now)
  call('HSET', budget, 'fencing', int(count))
  put(l, 'fence', int(count) .. string.format('%05d', own_number(by)))
  put(l, 'attempt', math.max(now, l.starts) + ATTEMPT_MS)
  due_at('reap', l.id, l.attempt)
  return math.max(0, l.starts - now)
end
