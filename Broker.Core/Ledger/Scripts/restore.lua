-- A replica tells a ledger that lost something what it remembers (law L8), and the two memories are merged: the later state and the
-- later end of a lease, and the latest promise to a holder. A holder that left stays gone.
-- asked:   epoch, paced_to?: time, pauses {…}, leases {…}, holders {…}, gone {…}
--   pauses: pool, till: time, failures: number, why
--   leases: id, pool, role, username, issuer_id, sealed_login, ends_in: ms, ends_at: time, life: ms, renewable: flag, issued_at:
--     time, max_holders: number, idle_ttl: ms, spread: number, why, user_limit?: number
--   holders: id, lease, connections: number, ends_in: ms, mark: number, caller, range?
--   gone: id, mark: number, stays: flag
-- answers: back: number
local first = num(call('HGET', budget, 'first'))
-- Each replica that notices a loss begins an epoch. One that began since the ledger stopped granting belongs to this loss, and so does the one
-- for which this decision began another: its replica tells in several calls.
local of_this_loss = now < quiet and num(asked.epoch) >= first and num(asked.epoch) <= num(epoch)
-- telling: epochs that were unknown here and that replicas tell under, each in several calls: epoch|when it was told last; for as long as replicas are
-- listened to. Two replicas may know one each.
local LONGEST_MS = 30000
local telling, is_telling = '', false
for told_of, at in string.gmatch(call('HGET', budget, 'telling') or '', '([^|;]*)|(%d+);') do
  if now - num(at) < LONGEST_MS then
    if told_of == asked.epoch then is_telling = true else telling = telling .. told_of .. '|' .. at .. ';' end
  end
end
if asked.epoch ~= epoch and not of_this_loss then
  if not is_telling then
    -- No other replica has noticed yet.
    lose(QUIET_MS)
    call('ZADD', duties, int(now), 'sample')
    first = num(call('HGET', budget, 'first'))
  end
  call('HSET', budget, 'telling', telling .. asked.epoch .. '|' .. int(now) .. ';')
end

-- A lease's announced end. The time that is left, counted from now, ends later by the time that the call took; a difference beyond what a
-- call may take means that another clock continues the ledger's time.
local WAY_MS = 10000
local function end_of(told)
  local left = now + told.ends_in
  return math.abs(left - told.ends_at) < WAY_MS and told.ends_at or left
end

local back_again = false -- whether something was put back

-- Gives a lease back what is known of it. The youngest lease of a pool takes its holders.
local function put_back(l, told)
  local p = pool(l.pool)
  put(l, 'expires', math.max(l.expires, end_of(told)))
  put(l, 'life', told.life)
  put(l, 'verified', 0)
  put(l, 'renewable', told.renewable)
  put(l, 'begun', true)
  put(l, 'attempt', 0)
  put(l, 'limit', told.user_limit or -1)
  local known = 'user_limit:' .. l.role
  if told.user_limit and not call('HGET', budget, known) then call('HSET', budget, known, int(told.user_limit), 'user_limit_seen:' .. l.role, int(told.issued_at)) end
  note(l, 'user', told.username)
  note(l, 'ref', told.issuer_id)
  note(l, 'login', told.sealed_login)
  note(l, 'issued', int(told.issued_at))
  note(l, 'empty', int(now))
  note(l, 'why', told.why)
  back_again = true
  call('ZREM', over, l.id)
  call('ZADD', order, int(told.issued_at), l.id)
  if p.next == l.id then set_next(p, nil) end
  local taker = p.taker and lease(p.taker)
  if taker and taker.state ~= 'Active' then taker = nil end
  local follows = not taker or num(stored(taker.id, { 'issued' }).issued) < told.issued_at
  local takes = follows and l.expires - now >= l.life / 2
  put(l, 'state', takes and 'Active' or 'Retiring')
  never('reap', l.id)
  if takes then
    if taker then move(taker, 'Retiring', 'a later one is known') end
    set_taker(p, l.id)
    if l.renewable then due_at('renew', l.id, now) end
    plan_rotation(l, told.spread)
  end
  due_at('verify', l.id, now)
  due_at('expire', l.id, math.min(l.expires, now + math.max(l.idle, RESERVED_MS)))
  signal('pool:' .. l.pool)
end

-- Law L12: how far issuing was ahead of its pace, and which pools pause after a failure.
if asked.paced_to and asked.paced_to > num(call('HGET', budget, 'begun')) then
  call('HSET', budget, 'begun', int(asked.paced_to))
  wrote()
end
for _, told in ipairs(asked.pauses) do
  if told.till > now and told.till > pool(told.pool).cooling then
    call('HSET', pools, told.pool .. '|cooling', int(told.till) .. '|' .. told.why, told.pool .. '|failures', int(told.failures))
    wrote()
  end
end

-- An order to revoke a lease is carried out though the ledger lost it.
local function carry_out(l)
  if not l or l.state ~= 'Active' and l.state ~= 'Retiring' then return end
  note(l, 'shut', '1')
  if l.state == 'Active' then move(l, 'Retiring') end
  move(l, 'Revoking', 'an operator ordered it, and the ledger lost the order')
end

for _, told in ipairs(asked.leases) do
  local l = lease(told.id)
  if not l then
    l = { id = told.id, expires = 0, broken = false, cap = -1, limit = -1 }
    lease_cache[l.id] = l
    put(l, 'pool', told.pool)
    put(l, 'role', told.role)
    put(l, 'max', told.max_holders)
    put(l, 'idle', told.idle_ttl)
    put(l, 'starts', 0)
    put(l, 'holders', 0)
    put(l, 'connections', 0)
    note(l, 'v', int(SCHEMA))
    note(l, 'created', int(told.issued_at))
    put_back(l, told)
  elseif l.state == 'Issuing' or l.state == 'Unknown' or l.state == 'Failed' then
    put_back(l, told)
  elseif l.state == 'Active' or l.state == 'Retiring' then
    -- An announced end is never taken back (law L4).
    if end_of(told) > l.expires then put(l, 'expires', end_of(told)) end
  end
  if call('ZSCORE', news, ORDERED .. told.id) then carry_out(lease(told.id)) end
end

for _, gone in ipairs(asked.gone) do
  mark = math.max(mark, gone.mark)
  local ordered = ordered_lease(gone.id)
  if ordered then carry_out(lease(ordered)) end
  local h = holder(gone.id)
  -- The connections of a holder that stays are counted until somebody tells what it has since.
  if h and h.mark < gone.mark and not gone.stays then drop_holder(h) end
  if num(call('ZSCORE', news, gone.id)) < gone.mark then
    call('ZADD', news, int(gone.mark), gone.id)
    -- Who asks in rounds has heard further than this mark by now. No two of these are the same.
    if now >= quiet then signals[#signals + 1] = (gone.stays and 'moved:' or 'holder:') .. int(gone.mark) .. ':' .. gone.id end
  end
  if not gone.stays and not ordered then
    -- Release is final, even for a claim that was sent before it and is carried out after the loss.
    if num(call('ZSCORE', released, gone.id)) < gone.mark then call('ZADD', released, int(gone.mark), gone.id) end
    if num(call('HGET', budget, 'newest_release')) < gone.mark then call('HSET', budget, 'newest_release', int(gone.mark)) end
  end
end

-- What a holder accepts, and with whom it shares: a replica may know a holder's connections without having been told this.
local function accept(h, told)
  local least, want, allotment, party = string.match(told.range or '', '^(%d+):(%d+):(%d*):(.+)$')
  if not least then return false end
  h.least, h.want, h.to = math.min(num(least), h.connections), math.max(num(want), h.connections), h.connections
  h.allotment, h.party = tonumber(allotment), party
  return true
end

local back = 0
for _, told in ipairs(asked.holders) do
  mark = math.max(mark, told.mark)
  local l = lease(told.lease)
  local stands = l and (l.state == 'Active' or l.state == 'Retiring')
  local till = now + told.ends_in
  if stands then till = math.min(till, l.expires) end
  local h = holder(told.id)
  local whose = string.gsub(told.id, '~$', '') -- what a holder has beside its lease leaves with it
  if math.max(num(call('ZSCORE', news, told.id)), num(call('ZSCORE', released, whose))) > told.mark then
    -- It has left, or has another lease since. A release is final even when the ledger did not know its holder at the time.
  elseif h and h.phase == 'h' and h.mark >= told.mark then
    local knows_more = not h.allotment and h.least == h.connections and h.want == h.connections and accept(h, told)
    if h.lease == told.lease and till > h.till then h.till, knows_more = till, true end
    if knows_more then
      h.told = true
      write_holder(h)
    end
  else
    local had = h
    if h then drop_holder(h) end
    h = { id = told.id, lease = '', connections = told.connections, till = till, phase = 'h', mark = told.mark, told = true, caller = told.caller }
    if not accept(h, told) and had then
      h.least, h.want, h.to, h.allotment, h.party = math.min(had.least, h.connections), math.max(had.want, h.connections), h.connections, had.allotment, had.party
    end
    is_back(h.id, left_open(h.id))
    count(h.id, h.connections, 1)
    if stands then bind(h, l) end
    write_holder(h)
    back, back_again = back + 1, true
  end
end

-- Who remembers much has more to tell: it is listened to as long as it goes on, and no longer than that.
local MORE_MS = 1000
local till = math.min(now + MORE_MS, first + LONGEST_MS)
if back_again and now < quiet and till > quiet then
  quiet = till
  call('HSET', budget, 'quiet', int(quiet))
  counts_till = now + LIVES_MS
end
return finish(answer{ back = back })
