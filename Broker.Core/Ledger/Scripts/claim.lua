-- A batch of claims on one database: reserve connections and join the pool's lease in one step, or say what to wait for.
-- Step 5: Reserve connections and join the pool's lease, in one decision of the ledger.
-- asked:   seen: number, most_in_line: number, spacing: ms, tolerance: ms, new_leases, roles {…}, asks {…}
--   roles: name, seats: number, holder_ttl: ms, max_holders: number, idle_ttl: ms
--   asks: role: number, pool, want: number, least: number, issue_wait: ms, line_wait: ms, kind, party, breathes: flag, lasts:
--     flag, allotment?: number, holders …, callers …
-- answers: now: time, mark: number, verdicts {…}
--   verdicts: granted (lease, connections: number, ends_at: time, lease_ends_at: time, verified_at: time, overlap?: ms, leaving:
--     flag, cap_leaves?: number, beside?, beside_connections?: number, down_to?: number, allotment?: number, range?, fewer?,
--     beside_ends_at?: time) | issue (lease, fence: number, starts_in: ms) | wait (lease, starts_in: ms) | in_line (place:
--     number, free: number, capacity: number) | exhausted (free: number, could_ask_for: number, capacity: number, ceiling:
--     number, next_end_in?: ms) | line_full (free: number, capacity: number) | throttled (starts_in: ms) | failed (retry_in: ms,
--     why) | stale | user_limit (limit: number) | paused | unknown | late
-- A verdict's lease is the holder's when it is granted. overlap: how long the old lease's connections may stay open beside the new
-- ones (0: they are closed first; none: the holder did not move). beside: the old lease, with its open connections and until when they may stay.
-- leaving: the lease is retiring. cap_leaves: what the cap of the lease's user leaves (below 0: the cap has to be raised first; none: there is no
-- cap). down_to: what the holder is asked to go down to, by the number allotment, while its connections still count (a claim is told no number: a
-- process that starts anew opens no more than that, and its predecessor's confirmation, which may be on its way, fits it too). range: what the holder
-- accepts, for a ledger that loses it. fewer: why it has fewer connections than it wants now (none: it has as many, or wanted fewer before).
--
-- The answer by the holder's phase, its lease, and the lease that the pool would give it:
--   holder    its lease                  the pool's  is answered
--   nobody    none                       none        issue
--   nobody    none                       Issuing     wait
--   nobody    none                       Active      granted the pool's
--   nobody    none                       unproven    wait
--   reserved  Issuing                    Issuing     wait
--   reserved  Active                     Active      granted its own
--   reserved  Unknown                    none        issue
--   holding   Active                     Active      granted its own
--   holding   unproven                   unproven    granted its own
--   holding   too old                    none        issue
--   holding   Retiring                   none        issue
--   holding   Retiring                   Active      granted the pool's, both open for a while
--   holding   Retiring, no room          Active      granted its own, leaving
--   holding   Retiring, broken, no room  Active      granted the pool's, the old one closed first
--   holding   Expired                    Active      granted the pool's, the old one closed first
-- Of a paused role, callers that hold nothing or have only reserved are answered paused; of a drained role, a holder is granted its own lease
-- as it is, and its renewal is answered paused. A renewal is answered like a claim, but nobody is answered unknown. A holder that is to stay is granted its own lease, Active or Retiring, or is answered unknown.
local newest_release = num(call('HGET', budget, 'newest_release'))

tidy()

local function say(text) verdicts[#verdicts + 1] = text end

local function granted(c, h, l, moved)
  -- Each renewal says it as well: the replica that answers it may be the only one that remembers it.
  local old = (moved and moved > 0 or not moved and c.kind == 'Renew') and holder(h.id .. '~')
  say(verdict.granted{
    lease = l.id, connections = h.connections, ends_at = h.till, lease_ends_at = l.expires, verified_at = l.verified, overlap = moved,
    leaving = l.state ~= 'Active', cap_leaves = cap_leaves(l),
    beside = old and old.lease, beside_connections = old and old.connections,
    down_to = (c.allotment or c.kind == 'Claim') and h.to < h.connections and h.to or nil, allotment = c.allotment and h.allotment or nil,
    range = int(h.least) .. ':' .. int(h.want) .. ':' .. (h.allotment and int(h.allotment) or '') .. ':' .. h.party,
    fewer = h.fewer or why_fewer(c, h.id, h.connections, h.allotment and h.want), beside_ends_at = old and old.till,
  })
end

local freed, wants_room = false, false

-- Gives the holder its lease.
local function give(c, h, l, moved)
  local till = math.min(now + c.role.holder_ttl, l.expires)
  if h.phase ~= 'h' or moved or c.kind ~= 'Claim' or h.till - now < enough(c, l) then
    h.phase, h.till = 'h', till
    write_holder(h)
    if c.allotment and c.kind == 'Renew' then freed = follow(h, c.allotment, c.want) or freed end
  end
  granted(c, h, l, moved)
end

-- The time until the next holder's end; nil: there are no holders, or ended holders' connections may close at any time. Holders that ended
-- just now are not written yet.
local function next_end_in()
  if budget_numbers().ended > 0 then return nil end
  local first = call('ZRANGE', ends, '0', '100', 'WITHSCORES')
  for i = 1, #first, 2 do
    if holder_cache[first[i]] ~= false then return math.max(0, tonumber(first[i + 1]) - now) end
  end
end

local function keep_ticket(c)
  local known = read_ticket(c.id)
  local since = known and known.since or c.waits_since or int(math.floor(now / 1000))
  call('HSET', tickets, c.id, int(c.want) .. '|' .. int(c.least) .. '|' .. int(c.role.seats) .. '|' .. int(now) .. '|' .. int(now + c.line_wait) .. '|b' .. (c.breathes and '1' or '0') .. c.party .. '|' .. since .. '\31' .. c.caller)
end

-- Reserves for a holder that has nothing yet, in its turn. Answers nil after saying what to wait for.
local function reserve_for(c)
  local left, stale = free()
  local capacity = budget_numbers().capacity
  if stale then
    -- Nothing is given meanwhile, and every place in line is kept.
    wake()
    if c.line_wait > 0 then
      if not call('ZRANK', line, c.id) and num(call('ZCARD', line)) < asked.most_in_line then c.waits_since = join_line(c.id, c.party) end
      if call('ZRANK', line, c.id) then keep_ticket(c) end
    end
    say(verdict.stale())
    return nil
  end
  local ahead = call('ZRANK', line, c.id)
  local held_up = not ahead and num(call('ZCARD', line)) > 0 and serve_line()
  local own = left_open(c.id)
  local connections, why
  if not ahead and not held_up then connections, why = share(c.party, c.role.name, c.role.seats, c.want, c.least, own) end
  -- The guarantee of its party is kept for it: waiters for other connections are not ahead of it there.
  local guaranteed = not connections and terms_of(c.party).guaranteed or 0
  if guaranteed > 0 then connections, why = share(c.party, c.role.name, c.role.seats, c.want, c.least, own, guaranteed - taken(c.party)) end
  if connections then
    if ahead then leave_line(c.id) end
    is_back(c.id, own)
    return reserve(c.id, c.caller, connections, c, why or c.cut)
  end
  wants_room = true
  wait_on_server(c.party, c.least)
  -- Foreign connections come and go: a claim that could be served without them waits.
  local ceiling = math.max(capacity, budget_numbers().ceiling)
  if c.line_wait > 0 and c.least <= ceiling then
    if not ahead then
      if num(call('ZCARD', line)) >= asked.most_in_line then
        say(verdict.line_full{ free = math.max(0, left), capacity = capacity })
        return nil
      end
      c.waits_since = join_line(c.id, c.party)
    end
    keep_ticket(c)
    serve_line()
    local served = holder(c.id)
    if served then return served end
    say(verdict.in_line{ place = num(call('ZRANK', line, c.id)) + 1, free = math.max(0, (free())), capacity = capacity })
    return nil
  end
  if ahead then
    -- It has waited as long as it said. If it comes again at once, as it is told to, it gets its place back.
    local place, ticket = call('ZSCORE', line, c.id), read_ticket(c.id)
    leave_line(c.id)
    give_up(c.id, place, ticket and ticket.since)
    held_up = num(call('ZCARD', line)) > 0 and serve_line()
  end
  turn_away(c)
  left = math.max(0, (free()) - kept_from(c.party))
  say(verdict.exhausted{ free = left, could_ask_for = held_up and 0 or left, capacity = capacity, ceiling = ceiling, next_end_in = next_end_in() })
  return nil
end

-- A holder that cannot move yet keeps its lease to the lease's end.
local function stay(c, h, l)
  if l and (l.state == 'Active' or l.state == 'Retiring') and l.expires > now then
    h.till = math.min(now + c.role.holder_ttl, l.expires)
    write_holder(h)
    granted(c, h, l)
    return true
  end
  return false
end

-- Both logins' connections are open for a while, so both count. Holders therefore move in waves, as far as the budget
-- reaches (law L2). When the old lease is about to end or works no more, its connections are closed first. Answers how long both may be
-- open; nil: the holder cannot move yet.
local function how_to_move(h, old)
  local SHORTEST_OVERLAP_MS = 5000 -- less time is hardly enough to open and close anything
  if not old or old.state ~= 'Retiring' then return 0 end
  local shadow = holder(h.id .. '~')
  if shadow and shadow.lease == old.id then return shadow.till - now end
  if old.expires - now >= SHORTEST_OVERLAP_MS and not shadow and room_for(h.party, head_waits_for()) >= h.connections then
    shadow = { id = h.id .. '~', lease = '', connections = h.connections, till = math.min(now + OVERLAP_MS, old.expires), phase = 'h', caller = h.caller, party = h.party }
    count(shadow.id, shadow.connections, 1)
    bind(shadow, old)
    write_holder(shadow)
    return shadow.till - now
  end
  if old.broken or old.expires - now <= OVERLAP_MS then return 0 end
  return nil
end

-- Law L4: a holder that is moved may not hear of it (the answer is lost, the audit is away). Its old lease lives on for as long as was
-- promised, but no longer than a move takes, and half as long again for a holder that asks once more after an overlap it was not told of. A client
-- that relies on a time it was told (lasts) may stand for many pods, which have the next login only when they have restarted: to the promise's end.
local function linger(old, till, overlap, lasts)
  local late = lasts and till or now + math.max(OVERLAP_MS, overlap + OVERLAP_MS / 2)
  note(old, 'linger', int(math.max(math.min(late, till, old.expires), num(stored(old.id, { 'linger' }).linger))))
end

-- The moment is too far off for this caller: it reserves nothing meanwhile, and keeps the lease it holds.
local function throttled(c, h, mine, starts)
  if h and h.phase == 'h' and stay(c, h, mine) then return end
  if h and h.phase == 'r' then drop_holder(h) end
  say(verdict.throttled{ starts_in = starts - now })
end

-- A holder has more connections than the user of its lease may open.
local function shrink(h, to)
  set_size(h, to)
  h.want = to
  h.fewer = 'user ' .. int(to)
  write_holder(h)
end

-- A waiter reserved more than the user of its lease may open: it gets as many as that, or nothing when it accepts no fewer. False after saying so.
local function contents_itself(c, h, l)
  if l.limit < 0 or h.connections <= l.limit then return true end
  if c.least > l.limit then
    drop_holder(h)
    freed = true
    say(verdict.user_limit{ limit = l.limit })
    return false
  end
  shrink(h, l.limit)
  return true
end

-- The database lets a lease's user open fewer connections than its waiters reserved before that was known. The first to come keep their
-- seats, with no more connections than the user may open; the others go on to the next lease. Answers nil after saying why there is nothing.
local function seated(c, h, mine)
  if not contents_itself(c, h, mine) then return nil end
  if mine.connections > mine.limit then
    unbind(h)
    write_holder(h)
    return false
  end
  return mine
end

-- An operator's order holds the role: it gives nothing to new callers, and a drained role gives no holder more time. Answers nil when the
-- order changes nothing.
local function held(c, h, mine)
  local order = paused(c.role.name)
  if not order then return nil end
  if not h or h.phase == 'r' then
    leave_line(c.id)
    if h then drop_holder(h) end
    say(verdict.paused())
    return true
  end
  if order == 'Paused' then return nil end
  local stands = mine and (mine.state == 'Active' or mine.state == 'Retiring') and mine.expires > now and h.till > now
  if stands and c.kind ~= 'Renew' then granted(c, h, mine) else say(verdict.paused()) end
  return true
end

local function decide(c)
  -- What it holds may have changed in what the ledger lost: it is answered after all replicas have told what they remember.
  if now < quiet then
    local taker = pool(c.pool).taker
    if taker and lease(taker) then unproven(lease(taker)) end -- its login is tried meanwhile
    return say(verdict.stale())
  end
  local h = holder(c.id)
  if not h and c.kind ~= 'Claim' then return say(verdict.unknown()) end
  -- The claim may have been sent before its holder was released. A caller that still wants something asks again, and knows of the release then.
  if not h and newest_release > asked.seen and num(call('ZSCORE', released, c.id)) > asked.seen then return say(verdict.late()) end
  local mine = h and h.lease ~= '' and lease(h.lease)
  if held(c, h, mine) then return end
  if mine and h.phase == 'r' and mine.state == 'Active' and mine.limit >= 0 then
    mine = seated(c, h, mine)
    if mine == nil then return end
  end
  if mine and (lively(mine) or unproven(mine) and h.phase == 'h' or mine.state == 'Active' and c.kind == 'Stay') then
    -- A lease that was given once and is still the pool's, or still good enough.
    return give(c, h, mine)
  end
  if c.kind == 'Stay' then
    if not stay(c, h, mine) then say(verdict.unknown()) end
    return
  end
  if mine and h.phase == 'h' and mine.state == 'Active' then move(mine, 'Retiring', 'too little time left') end

  local most = user_limit(c.role.name)
  if most >= 0 and not h then
    if c.least > most then
      local BELIEVED_MS = 600000 -- the limit may have been raised since; after this time the next user shows it anew
      local known, seen = 'user_limit:' .. c.role.name, 'user_limit_seen:' .. c.role.name
      if now - num(call('HGET', budget, seen)) < BELIEVED_MS then return say(verdict.user_limit{ limit = most }) end
      call('HDEL', budget, known, seen)
      limit_of[c.role.name], most = -1, -1
    elseif c.want > most then c.want, c.cut = most, 'user ' .. int(most) end
  end
  local p = pool(c.pool)
  local more = h and h.connections or c.want
  local l = pools_lease(p, nil, mine, most >= 0 and math.min(more, most) or more)
  if l and unproven(l) then
    if h and h.phase == 'h' and stay(c, h, mine) then return end
    return say(verdict.wait{ lease = l.id, starts_in = 0 })
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
    if moved and mine and mine.state == 'Retiring' then linger(mine, h.till, moved, c.lasts) end
    if h.phase == 'r' and not contents_itself(c, h, l) then return end
    if h.phase == 'h' then tell(h) end
    unbind(h)
    -- Who holds something has to move: its old lease ends.
    if l.limit >= 0 and h.connections > l.limit then shrink(h, l.limit) end
    bind(h, l)
    return give(c, h, l, moved)
  end

  if not l and p.cooling > now then
    -- Law L4: a failure of the next lease does not harm the holders of this one.
    if h and h.phase == 'h' and stay(c, h, mine) then return end
    return say(verdict.failed{ retry_in = p.cooling - now, why = p.why })
  end

  if not l then
    if not h then
      h = reserve_for(c)
      if not h then return end
    end
    local starts
    l, starts = book(p, c.role, asked.new_leases .. string.format('%02x', c.nth - 1), asked.spacing, asked.tolerance, c.issue_wait)
    if not l then return throttled(c, h, mine, starts) end
  end
  if l.starts - now > c.issue_wait then return throttled(c, h, mine, l.starts) end
  h = h or reserve_for(c)
  if not h then return end
  -- A holder keeps its lease until the next one works; a caller with only a reservation joins the lease that is being issued.
  if h.phase == 'r' then
    if h.lease ~= l.id then
      unbind(h)
      bind(h, l)
    end
    h.till = math.max(now, l.starts) + RESERVED_MS
    write_holder(h)
  else
    note(l, 'wanted', '1')
  end
  if l.attempt < now and not l.begun then
    local wait = elect(l, asked.new_leases)
    return say(verdict.issue{ lease = l.id, fence = l.fence, starts_in = wait })
  end
  say(verdict.wait{ lease = l.id, starts_in = math.max(0, l.starts - now) })
end

for i = #verdicts + 1, #ids do
  local id, ask, text = ids[i], whose[i] or asks[1], packed[i]
  local said = nil
  if holder_cache[id] == nil then -- else an earlier claim of this batch has changed it
    said = text and ask.kind == 'Claim' and now >= quiet and again(ask, id, text)
    if not said then read_holder(id, text) end
  end
  if said then verdicts[#verdicts + 1] = said else decide(setmetatable({ nth = i, id = id, caller = callers[i] }, ask)) end
end

if freed then serve_line() end
if wants_room then breathe() end
return finish(answer{ now = now, mark = mark, verdicts = verdicts })
