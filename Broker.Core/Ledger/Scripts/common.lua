-- The second part of every decision: what it may change, and how. Changes are collected and written by finish(), each field once, however many claims
-- a batch holds.

local RESERVED_MS = 5000       -- a reservation is dropped when its waiter gives no sign of life for this long
local TICKET_MS = 3000         -- a place in line is dropped likewise
local ATTEMPT_MS = 4000        -- an attempt to issue passes to another replica after this long without a sign of life
local BOOKING_GRACE_MS = 30000 -- a booked moment to issue is kept for its caller for this long
local BOOKING_AHEAD_MS = 600000 -- no moment is booked further ahead
local OVERLAP_MS = 60000       -- a holder that moves to another lease has connections open with both logins for at most this long
local KEEP_MS = 600000         -- an ended lease stays visible for this long
local QUIET_MS = 5000          -- after a loss the ledger grants and ends nothing for this long: replicas tell what they remember
local LIVES_MS = 60000         -- a database's promises count on its server for this long after its last activity, and until its last holder's end

-- Stores how far time has come; only decisions that write something anyway call it.
local function keep_time()
  if server_time + lacks >= reached and now - reached < 200 then return end
  call('HSET', budget, 'reached', string.format('%.0f', now), 'lacks', string.format('%.0f', now - server_time))
end

-- The server ---------------------------------------------------------------------------------------------------------
-- Databases on one server share its connections. Each database records there, under the name of its budget, what it takes of them:
-- granted|what ended holders may still have open|until when this counts|until when the database grants nothing. The other fields are capacity,
-- what all databases together may promise; counted, when that was written; lost, when the ledger lost something of one of them;
-- wants:<budget>, connections that somebody waits for|until when; and
-- kept:<budget>, the part of the guarantees there that nobody has|all guarantees there|until when; and
-- pool:<budget>, what others reserve for the pooler of a database that has not said yet what it has|until when. A database behind a pooler takes
-- the pool, whatever its holders have at the pooler, and takes it for an hour: the pooler keeps its connections while no broker runs.
local function tell_server(granted, ended, counts_till)
  local till = num(string.match(call('HGET', server, budget) or '', '^%d+|%d+|(%d+)'))
  if pooled then granted, ended, counts_till = pooled, 0, math.max(counts_till, now + 60 * LIVES_MS) end
  call('HSET', server, budget, int(granted) .. '|' .. int(ended) .. '|' .. int(math.max(till, counts_till)) .. '|' .. int(quiet))
end

local server_numbers
do
  -- What the other databases take, what is kept for the guarantees on them, until when one of them grants nothing, and when the ledger lost something of
  -- any. It is read once: no other database decides meanwhile. kept_here: what this database has recorded as kept for it.
  local server_known
  function server_numbers()
    if server_known then return server_known end
    local s = { capacity = nil, counted = 0, others = 0, kept = 0, quiet = 0, lost = 0, takes = {}, wants = 0, wants_till = 0, kept_here = nil }
    local all, by_name = call('HGETALL', server), {}
    local function other(name)
      if not by_name[name] then
        by_name[name] = { of = name, n = 0, floor = 0 }
        s.takes[#s.takes + 1] = by_name[name]
      end
      return by_name[name]
    end
    for i = 1, #all, 2 do
      local field, text = all[i], all[i + 1]
      if field == 'capacity' then s.capacity = num(text)
      elseif field == 'counted' then s.counted = num(text)
      elseif field == 'lost' then s.lost = num(text)
      elseif field == 'wants:' .. budget then
        local wants, till = string.match(text, '^(%d+)|(%d+)$')
        if num(till) > now then s.wants, s.wants_till = num(wants), num(till) end
      elseif field == 'kept:' .. budget then s.kept_here = text
      elseif field ~= budget then
        local granted, ended, till, quiet_till = string.match(text, '^(%d+)|(%d+)|(%d+)|(%d+)$')
        if granted and num(till) > now then
          s.others = s.others + num(granted) + num(ended)
          s.quiet = math.max(s.quiet, num(quiet_till))
          other(field).n = other(field).n + num(granted) + num(ended)
        elseif string.sub(field, 1, 6) == 'wants:' then
          local wants, wants_till = string.match(text, '^(%d+)|(%d+)$')
          if num(wants_till) > now then other(string.sub(field, 7)).n = other(string.sub(field, 7)).n + num(wants) end
        elseif string.sub(field, 1, 5) == 'pool:' then
          local size, pool_till = string.match(text, '^(%d+)|(%d+)$')
          if num(pool_till) > now and field ~= 'pool:' .. budget then
            s.others = s.others + num(size)
            other(string.sub(field, 6)).n = other(string.sub(field, 6)).n + num(size)
          end
        elseif string.sub(field, 1, 5) == 'kept:' then
          local unmet, guaranteed, kept_till = string.match(text, '^(%d+)|(%d+)|(%d+)$')
          if num(kept_till) > now then
            local that = other(string.sub(field, 6))
            s.kept = s.kept + num(unmet)
            that.n, that.floor = that.n + num(unmet), num(guaranteed)
          end
        end
      end
    end
    server_known = s
    return s
  end
end

-- Something was lost. A new epoch begins, in which nothing is granted or ended until every replica has told what it remembers. Whatever
-- was written before may be arbitrarily old, so logins are tried again before a new holder gets them (law L3).
local function lose(quiet_ms)
  epoch = int(math.max(now, num(epoch) + 1))
  -- The first of the epochs that began while replicas were telling: all of them are of one loss (restore.lua).
  if now >= quiet then call('HSET', budget, 'first', epoch) end
  mark = math.max(mark, heard, seen, now)
  lost, quiet = mark, now + quiet_ms
  call('HSET', budget, 'epoch', epoch, 'mark', int(mark), 'lost', int(lost), 'quiet', int(quiet))
  call('HSET', server, 'lost', int(now))
  tell_server(num(call('HGET', budget, 'granted')), num(call('HGET', budget, 'limbo')), now + LIVES_MS)
end
-- It is new, or it lost everything: who remembers what was in it is to speak before anything is granted (law L8).
local function begin_anew(settling)
  if epoch ~= '' then return end
  if mark == 0 then return lose(settling) end
  epoch = int(now)
  call('HSET', budget, 'epoch', epoch)
end

if heard > num(known_voice) or seen > mark then
  lose(QUIET_MS)
  known_voice = int(mark) -- said only once
  call('HSET', budget, spoken, known_voice)
  call('ZADD', voices, int(now), voice)
  call('ZADD', duties, int(now), 'sample')
end

-- The books contradict themselves. A decision writes its changes to holders and counts at its end, so none of them is written yet.
local function broken(what)
  error('BROKEN BOOKS: ' .. what .. '. Nothing is decided on them. Delete the keys that begin like ' .. budget
    .. ' up to the brace: the replicas put back what they remember', 0)
end

-- Wakes the waiters: once per decision and subject, after everything is written.
local signals = {}
local function signal(subject)
  for _, known in ipairs(signals) do if known == subject then return end end
  signals[#signals + 1] = subject
end

-- Duties -------------------------------------------------------------------------------------------------------------
-- A member "kind:subject" is due at its score; the first replica that comes does it.
local function due(kind, subject, at)
  local member = kind .. ':' .. subject
  local set = call('ZSCORE', duties, member)
  if not set or tonumber(set) > at then call('ZADD', duties, int(at), member) end
end

local function due_at(kind, subject, at) call('ZADD', duties, int(at), kind .. ':' .. subject) end

local function never(kind, subject)
  call('ZREM', duties, kind .. ':' .. subject)
  call('HDEL', failing, kind .. ':' .. subject)
end

-- Until when an attempt to issue belongs to its replica: ATTEMPT_MS after its last sign of life, or, when the ledger was away and no sign of
-- life could reach it, ATTEMPT_MS after the replicas' rounds came back; in that case at most a minute longer.
-- rounds, written while a user is being made: when a replica came last|since when they come without a break. back_since answers the latter
-- moment and the former.
local function back_since()
  local BREAK_MS = 1000
  local last, since = string.match(call('HGET', budget, 'rounds') or '', '^(%d+)|(%d+)$')
  if not last then return 0, 0 end
  return now - num(last) < BREAK_MS and num(since) or now, num(last)
end

local function somebodys_till(l)
  local LONGEST_MS = 60000
  return l.attempt >= now and l.attempt or math.max(l.attempt, math.min(back_since() + ATTEMPT_MS, l.attempt + LONGEST_MS))
end

-- A call that changed users is over: the first in each replica's line for a place in flight hears it.
local function land(name)
  if num(call('ZREM', flights, name)) > 0 then signal('landed') end
end

-- Pools --------------------------------------------------------------------------------------------------------------
-- A pool has a lease that takes holders (its taker), and a lease that is being issued (its next).
local pool_cache = {}
local function pool(name)
  local p = pool_cache[name]
  if p then return p end
  local v = call('HMGET', pools, name, name .. '|next', name .. '|cooling')
  local cooling, why = string.match(v[3] or '', '^(%d+)|(.*)$')
  p = { name = name, taker = v[1] or nil, next = v[2] or nil, cooling = num(cooling), why = why }
  pool_cache[name] = p
  return p
end

local function set_taker(p, id)
  p.taker = id
  if id then call('HSET', pools, p.name, id) else call('HDEL', pools, p.name) end
end

local function set_next(p, id)
  p.next = id
  if id then call('HSET', pools, p.name .. '|next', id) else call('HDEL', pools, p.name .. '|next') end
end

-- Leases -------------------------------------------------------------------------------------------------------------
-- All legal moves of a lease (Model/LeaseState.cs names the states).
-- The table is made only when it is needed: most decisions move nothing.
local function moves()
  return {
    Issuing      = { Active = true, Failed = true, Unknown = true },
    Active       = { Retiring = true, Expired = true },
    Retiring     = { Revoking = true, Expired = true },
    Unknown      = { Revoking = true },
    Expired      = { Revoking = true },
    Revoking     = { Revoking = true, Revoked = true, RevokeFailed = true }, -- to itself: when it records what is still to be done
    RevokeFailed = { Revoking = true, Revoked = true },
    Revoked      = {},
    Failed       = {},
  }
end
local lease_changes = {}

-- One field of each lease that is not over, by its id, in their order: many at once, because there may be thousands.
local function each_lives(field, look)
  local AT_ONCE = 500
  local ids = call('ZRANGE', order, '0', '-1')
  for from = 1, #ids, AT_ONCE do
    local names = {}
    for i = from, math.min(#ids, from + AT_ONCE - 1) do names[#names + 1] = ids[i] .. ':' .. field end
    local texts = call('HMGET', leases, unpack(names))
    for i = 1, #names do
      local found = texts[i] and look(ids[from + i - 1], texts[i])
      if found then return found end
    end
  end
end

local function note(l, field, text)
  local changes = lease_changes[l.id]
  if not changes then
    changes = {}
    lease_changes[l.id] = changes
  end
  changes[field] = text
end

local function put(l, field, value)
  l[field] = value
  local text = value
  if type(value) == 'number' then text = int(value) elseif type(value) == 'boolean' then text = value and '1' or '0' end
  note(l, field, text)
end

-- The login has not been tried since the ledger lost something, so only earlier holders may have it. Calling this has it tried now.
local function unproven(l)
  local is = l.state == 'Active' and not l.broken and l.verified == 0
  if is then due('verify', l.id, now) end
  return is
end

-- Moves a lease to another state; false: the move is not legal.
local function move(l, to, why)
  local from = l.state
  if not moves()[from][to] then return false end
  put(l, 'state', to)
  if why and why ~= '' then note(l, 'why', why) end
  local p = pool(l.pool)
  if to ~= 'Active' then
    if p.taker == l.id then set_taker(p, nil) end
    if p.next == l.id then set_next(p, nil) end
  end
  for kind, states in pairs(lease_duties()) do
    if not states[to] then never(kind, l.id) end
  end
  if to == 'Retiring' then due('expire', l.id, l.holders == 0 and now or l.expires)
  elseif to == 'Expired' or to == 'Revoking' and from ~= 'Revoking' then due_at('revoke', l.id, now)
  elseif to == 'Unknown' then due_at('reap', l.id, now)
  elseif to == 'Revoked' or to == 'Failed' then
    due_at('reap', l.id, now + KEEP_MS)
    call('ZREM', order, l.id)
    call('ZADD', over, int(now), l.id)
    -- Only what people read is kept.
    for _, field in ipairs({ 'login', 'fence', 'starts', 'attempt', 'broken', 'cap', 'cap_at', 'capped', 'capping', 'beyond', 'linger', 'replaces', 'because', 'wanted', 'renew_asked', 'renew_told' }) do
      call('HDEL', leases, l.id .. ':' .. field)
    end
  end
  signal('pool:' .. l.pool)
  return true
end

-- A lease that cannot be renewed any more gets a successor well before its end. The spread (0 to 1) keeps many leases from rotating at once.
local function plan_rotation(l, spread)
  if l.state ~= 'Active' then return end
  if l.renewable then return never('rotate', l.id) end
  due_at('rotate', l.id, math.max(now, l.expires - l.life * (0.55 + 0.15 * spread)))
end

-- Holders ------------------------------------------------------------------------------------------------------------
-- lease|connections|end|phase|mark|b<least>:<want>:<to>:<allotment>:<party>|caller. phase: 'r' = connections are reserved, and the lease is not
-- given yet; 'h' = it holds the lease. least and want: what it accepts; to: the size that it is asked to go down to and has not confirmed, or its
-- present size; allotment: the number of the last size it was told (none: it does not follow sizes); party: with whom it shares the database
-- (none: its role).
-- A field of its own (fewer, by holder) says why a holder has fewer connections than it wanted, for its answers alone: kept N (room for N others) |
-- guaranteed N (of what is free, N are kept for others) | free N (no more were free) | user N (what the database lets one user open).
local holder_cache = {}

-- The role is the part of a holder's id before the dot.
local function role_of(id) return string.match(id, '^([^.]*)') end

-- Holders of one class are alike for the division of the database: party|least|want|size. A holder that does not follow sizes has one size for all three.
local function class_of(h)
  if h.allotment and h.phase == 'h' then return h.party .. '|' .. int(h.least) .. '|' .. int(h.want) .. '|' .. int(h.to) end
  local size = int(h.connections)
  return h.party .. '|' .. size .. '|' .. size .. '|' .. size
end

-- The part of a record before the caller.
local function size_text(h)
  return 'b' .. int(h.least) .. ':' .. int(h.want) .. ':' .. int(h.to) .. ':' .. (h.allotment and int(h.allotment) or '') .. ':' .. h.party .. '|'
end

local read_holder
do
  local function read_size(h, text)
    local least, want, to, allotment, party, caller = string.match(text, '^b(%d+):(%d+):(%d+):(%d*):([^|]*)|(.*)$')
    if not least then least, want, to, allotment, party, caller = h.connections, h.connections, h.connections, '', role_of(h.id), text end -- as older brokers wrote it
    h.least, h.want, h.to, h.allotment, h.party, h.caller = num(least), num(want), num(to), tonumber(allotment), party, caller
  end

  function read_holder(id, packed)
    local h = false
    if packed then
      local on, connections, till, phase, at, rest = string.match(packed, '^([^|]*)|(%d+)|(%d+)|(%a)|(%d+)|(.*)$')
      -- Brokers without marks wrote it like this.
      if not on then on, connections, till, phase, rest = string.match(packed, '^([^|]*)|(%d+)|(%d+)|(%a)|(.*)$') end
      h = { id = id, lease = on, connections = num(connections), till = num(till), phase = phase, mark = num(at) }
      read_size(h, rest)
      h.class = class_of(h)
    end
    holder_cache[id] = h
    return h
  end
end

local function holder(id)
  local known = holder_cache[id]
  if known ~= nil then return known end
  return read_holder(id, call('HGET', holders, id))
end

-- The index of holders that follow sizes, by party and size, the largest first.
local PARTY = 1000000
local party_number
do
  local party_numbers = {}
  function party_number(party)
    if not party_numbers[party] then
      local number = call('HGET', budget, 'party:' .. party)
      if not number then
        number = int(num(call('HINCRBY', budget, 'parties', '1')))
        call('HSET', budget, 'party:' .. party, number)
      end
      party_numbers[party] = num(number)
    end
    return party_numbers[party]
  end
end

local function index_follower(h) call('ZADD', breathing, int(party_number(h.party) * PARTY + PARTY - 1 - h.to), h.id) end

-- The number of holders of each class; changes are written at the end.
local class_changes, class_edition = {}, 0
local function reclass(h, class)
  if h.class == class then return end
  if h.class then class_changes[h.class] = (class_changes[h.class] or 0) - 1 end
  if class then class_changes[class] = (class_changes[class] or 0) + 1 end
  h.class, class_edition = class, class_edition + 1
end

local holder_changes = {} -- by id: the holder to write; false: it is removed
local function write_holder(h)
  if not h.least then h.least, h.want, h.to, h.party = h.connections, h.connections, h.connections, h.party or role_of(h.id) end
  reclass(h, class_of(h))
  holder_cache[h.id] = h
  holder_changes[h.id] = h
end

-- The budget's numbers, read once; what this decision counts is added to them and written at the end.
local numbers, counted = nil, {}
local function budget_numbers()
  if not numbers then
    local v = call('HMGET', budget, 'capacity', 'granted', 'sampled', 'stale', 'limbo', 'terms', 'came', 'ceiling')
    numbers = { capacity = v[1] and num(v[1]), granted = num(v[2]), sampled = num(v[3]), stale = num(v[4]), ended = num(v[5]), terms = v[6] or '', came = num(v[7]), ceiling = num(v[8]) }
    numbers.told_granted, numbers.told_ended = numbers.granted, numbers.ended
    -- Never more than the server has for all its databases. A pooler's clients are not connections of the server.
    local most = not pooled and server_numbers().capacity
    if numbers.capacity and most then numbers.capacity = math.min(numbers.capacity, most) end
  end
  return numbers
end

local holders_of, add, count
do
  local holders_of_role = {}
  function holders_of(role)
    if not holders_of_role[role] then holders_of_role[role] = num(call('HGET', budget, 'holders:' .. role)) end
    return holders_of_role[role]
  end

  function add(field, by) counted[field] = (counted[field] or 0) + by end

  function count(id, connections, by)
    local role = role_of(id)
    local b = budget_numbers()
    b.granted = b.granted + by * connections
    holders_of_role[role] = holders_of(role) + by
    if b.granted < 0 or holders_of_role[role] < 0 then
      broken('with ' .. id .. ' gone, ' .. int(b.granted) .. ' connections would be granted, and role ' .. role .. ' have ' .. int(holders_of_role[role]) .. ' holders')
    end
    add('granted', by * connections)
    add('holders:' .. role, by)
    add('connections:' .. role, by * connections)
  end
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
  if l.holders < 1 or l.connections < h.connections then
    broken(h.id .. ' holds ' .. int(h.connections) .. ' connections on lease ' .. l.id .. ', which knows of ' .. int(l.holders) .. ' holders with ' .. int(l.connections))
  end
  put(l, 'holders', l.holders - 1)
  put(l, 'connections', l.connections - h.connections)
  if l.holders == 0 then
    note(l, 'empty', int(now))
    if l.state == 'Retiring' then due('expire', l.id, now) elseif l.state == 'Active' then due('expire', l.id, now + l.idle) end
  end
end

-- Holders that every replica hears about: they left, or stay with another lease or another size.
local news_of = {}
local function tell(h)
  if h.phase == 'h' then news_of[#news_of + 1] = h.id end
end

-- Every replica hears of an order to revoke a lease as well: it hands out that login no more, whoever holds it. No holder's id begins like this.
local ORDERED = '='
local function tell_ordered(l) news_of[#news_of + 1] = ORDERED .. l.id end
local function ordered_lease(id) return string.match(id, '^' .. ORDERED .. '(.*)$') end

-- Gives a holder another number of connections, which counts at once.
local function set_size(h, to)
  local more = to - h.connections
  local l = h.lease ~= '' and lease(h.lease)
  if l then put(l, 'connections', l.connections + more) end
  budget_numbers().granted = budget_numbers().granted + more
  add('granted', more)
  add('connections:' .. role_of(h.id), more)
  h.connections, h.to, h.least, h.want = to, to, math.min(h.least, to), math.max(h.want, to)
  write_holder(h)
end

local followers_gone = {}
local function drop_holder(h)
  if h.allotment then followers_gone[#followers_gone + 1] = h.id end
  reclass(h, nil)
  unbind(h)
  count(h.id, h.connections, -1)
  holder_cache[h.id] = false
  holder_changes[h.id] = false
end

-- Ends the holders whose end has come. It ends a limited number at a time: ending a holder later is safe. A holder that ends silently
-- may still have connections open; until the next count they are treated as foreign (law L2).
-- Each such holder is remembered (silent: at|connections|lease, by holder) until a count shows its connections closed.
local ended_now, any_ended = {}, false
local function may_be_open(h)
  if h.phase ~= 'h' then return end
  local b = budget_numbers()
  b.ended = b.ended + h.connections
  ended_now[h.id] = int(now) .. '|' .. int(h.connections) .. '|' .. h.lease
  any_ended = true
end

-- What a holder that ended silently may have open, as far as it counts.
local function left_open(id)
  local b = budget_numbers()
  if b.ended == 0 then return 0 end
  return math.min(b.ended, num(string.match(ended_now[id] or call('HGET', silent, id) or '', '^%d+|(%d+)|')))
end

-- The holder is back: its open connections are its own again.
local function is_back(id, open)
  if open == 0 then return end
  local b = budget_numbers()
  b.ended = b.ended - open
  ended_now[id] = nil
  call('HDEL', silent, id)
  call('HSET', budget, 'limbo', int(b.ended))
end

local function end_holders()
  if now < quiet then return 0 end
  local over = call('ZRANGEBYSCORE', ends, '-inf', int(now), 'LIMIT', '0', '100')
  for _, id in ipairs(over) do
    local h = holder(id)
    if h then
      may_be_open(h)
      drop_holder(h)
    else
      holder_changes[id] = false
    end
  end
  return #over
end

-- The budget ---------------------------------------------------------------------------------------------------------
local party_terms, terms_of, classes_now, taken, kept_from
do
  -- Parties share a database fairly. Each count writes the weights, guarantees and priorities that differ from the usual
  -- ones; by default a party has weight 1, priority 0 and no guarantee.
  local USUAL = { weight = 1, guaranteed = 0, priority = 0 }
  function terms_of(party)
    if not party_terms then
      party_terms = { guaranteed = {}, sum = 0 }
      for name, weight, guaranteed, priority in string.gmatch(budget_numbers().terms, '([^;|]+)|(%d+)|(%d+)|(%d+)') do
        party_terms[name] = { weight = num(weight), guaranteed = num(guaranteed), priority = num(priority) }
        if num(guaranteed) > 0 then table.insert(party_terms.guaranteed, name) end
        party_terms.sum = party_terms.sum + num(guaranteed)
      end
    end
    return party_terms[party] or USUAL
  end

  -- The classes by name, before this decision's changes. They are counted anew when their sum is not the number of all holders:
  -- older brokers do not count them.
  local stored_classes
  function classes_now()
    if not stored_classes then
      stored_classes = {}
      local all, there = call('HGETALL', classes), 0
      for i = 1, #all, 2 do
        stored_classes[all[i]] = num(all[i + 1])
        there = there + num(all[i + 1])
      end
      if there ~= num(call('ZCARD', ends)) then
        for class in pairs(stored_classes) do call('HDEL', classes, class) end
        for _, id in ipairs(call('ZRANGE', breathing, '0', '-1')) do call('ZREM', breathing, id) end
        stored_classes = {}
        local packed = call('HGETALL', holders)
        for i = 1, #packed, 2 do
          local known = holder_cache[packed[i]]
          local h = read_holder(packed[i], packed[i + 1])
          holder_cache[h.id] = known
          stored_classes[h.class] = (stored_classes[h.class] or 0) + 1
          if h.allotment then index_follower(h) end
        end
        for class, n in pairs(stored_classes) do call('HSET', classes, class, int(n)) end
      end
    end
    return stored_classes
  end

  -- What a party's holders have, or are asked to go down to.
  local taken_of, taken_edition = {}, -1
  function taken(party)
    if taken_edition ~= class_edition then
      taken_of, taken_edition = {}, class_edition
      local function take(class, n)
        local name, size = string.match(class, '^([^|]*)|%d+|%d+|(%d+)$')
        taken_of[name] = (taken_of[name] or 0) + n * num(size)
      end
      for class, n in pairs(classes_now()) do take(class, n) end
      for class, n in pairs(class_changes) do take(class, n) end
    end
    return taken_of[party] or 0
  end

  -- What is kept free from a party (nil: from all): the unused part of the other parties' guarantees.
  function kept_from(party)
    terms_of(party)
    local kept = 0
    for _, name in ipairs(party_terms.guaranteed) do
      if name ~= party then kept = kept + math.max(0, party_terms[name].guaranteed - taken(name)) end
    end
    return kept
  end
end

-- What the database may have of its server while others want some of it. All databases are filled to one level, each from its guarantee up
-- to what it takes, what is kept for it and what its waiters need (max-min fairness: fair.lua). The remainder of whole numbers goes to
-- the first databases by name.
local function fair_part()
  local s = server_numbers()
  if s.part then return s.part end
  terms_of('')
  local floor = party_terms.sum
  local function raised(level)
    local sum = math.max(level, floor)
    for _, takes in ipairs(s.takes) do sum = sum + math.min(takes.n, math.max(level, takes.floor)) end
    return sum
  end
  local low, high = 0, s.capacity
  while low < high do
    local middle = math.floor((low + high + 1) / 2)
    if raised(middle) <= s.capacity then low = middle else high = middle - 1 end
  end
  local before = 0
  for _, takes in ipairs(s.takes) do
    if takes.n > low and takes.floor <= low and takes.of < budget then before = before + 1 end
  end
  s.part = floor <= low and before < s.capacity - raised(low) and low + 1 or math.max(low, floor)
  return s.part
end

-- What the database's holders may have together, including those that ended: no more than the server's other databases leave, with their unused
-- guarantees kept free, and no more than its fair part while somebody waits for connections there. A guarantee here is narrowed by neither of the two.
local function within_reach(guaranteed)
  local capacity, s = budget_numbers().capacity or 0, server_numbers()
  if pooled or not s.capacity then return capacity end
  capacity = math.min(capacity, s.capacity - s.others)
  return guaranteed and capacity or math.min(capacity, s.capacity - s.others - s.kept, fair_part())
end

-- Somebody waits for connections within this database's fair part of the server. The other databases are told, for as long as a waiter may be
-- silent. A waiter for more than the fair part waits for free connections; its party's guarantee is kept for it anyway.
local waits
local function wait_on_server(party, least)
  local b, s = budget_numbers(), server_numbers()
  if pooled or #s.takes == 0 or not s.capacity then return end
  local beyond = least - math.max(0, math.min(least, terms_of(party).guaranteed - taken(party)))
  if beyond > 0 and b.granted + b.ended + kept_from() + beyond <= math.min(b.capacity or 0, fair_part()) then waits = math.max(waits or 0, beyond) end
end

-- How many connections are free. None are when the last count is too old (then age: ms since that count), or while replicas put
-- back what the ledger lost (law L8), here or on another database of the server. A count from before such a loss took for promised what the ledger does
-- not know any more: only the next one finds those connections, and takes them for foreign ones. guaranteed: free for the guarantees here.
local function free(guaranteed)
  local b = budget_numbers()
  local age = now - b.sampled
  if not b.capacity or age > b.stale or b.sampled <= server_numbers().lost or now < quiet or now < server_numbers().quiet then return 0, age end
  return within_reach(guaranteed) - b.ended - b.granted, nil
end

-- How many free connections a party may take without a claim: to grow, or for both logins of a holder that moves. aside: also stays free.
local function room_for(party, aside)
  return math.max((free()) - kept_from(party) - aside, math.min((free(true)), terms_of(party).guaranteed - taken(party)))
end

-- A caller comes to a database that was not counted any more, because it had no holders or waiters (rest.lua): the database is counted now.
local function wake()
  if not call('HGET', budget, 'resting') then return end
  call('HSET', budget, 'used', int(now))
  call('HDEL', budget, 'idle', 'resting')
  call('ZADD', duties, int(now), 'sample')
end

-- What a claim gets now, or nil: never more than is free (law L2) and not kept for others. Early holders of a role leave room for
-- those still to come (seats = expected holders and their surge). own: open connections of the asking holder that count already.
-- guaranteed: the rest of its party's guarantee, which the guarantees of others do not narrow; nil: it asks for free connections. Also answers
-- why this is less than it wants.
local function share(party, role, seats, want, least, own, guaranteed)
  local left, stale = free(guaranteed)
  local kept = guaranteed and 0 or kept_from(party)
  if not stale then left = left + (own or 0) - kept end
  left = math.min(left, guaranteed or left)
  if left < least then return nil end
  local coming = math.max(1, seats - holders_of(role))
  local give = math.max(least, math.min(want, math.floor(left / coming)))
  if give >= want then return give end
  if give < left then return give, 'kept ' .. int(coming - 1) end
  if not guaranteed and server_numbers().kept > 0 then kept = kept + math.min(server_numbers().kept, within_reach(true) - within_reach()) end
  return give, kept > 0 and 'guaranteed ' .. int(kept) or 'free ' .. int(left)
end

-- range: least, want, party, and whether it breathes; a holder that does not breathe keeps its first size.
local came = false
-- The caller's name is stored with the time since when it waits, which only people read. why: why it gets less than it wanted; nil: it gets all.
local function reserve(id, caller, give, range, why)
  local h = { id = id, lease = '', connections = give, till = now + RESERVED_MS, phase = 'r', mark = 0, caller = int(math.floor(now / 1000)) .. '\31' .. caller, fewer = why }
  h.least, h.want = give, give
  if range.breathes then h.least, h.want = math.min(range.least, give), math.max(range.want, give) end
  h.to, h.party, came = give, range.party, true
  count(id, give, 1)
  write_holder(h)
  return h
end

-- Roles that operators have closed to new holders: ',role=Paused,,role=Draining,'. Nil: the role is open.
local paused
do
  local pauses
  function paused(role)
    pauses = pauses or call('HGET', budget, 'paused') or ''
    local _, stop = string.find(pauses, ',' .. role .. '=', 1, true)
    return stop and string.match(pauses, '^%a+', stop + 1) or nil
  end
end

-- The line: first come, first served ---------------------------------------------------------------------------------
-- want|least|seats|seen|until|b<breathes><party>|since\31caller, by holder; its score in the line is its place. Since is for people, in seconds.
local function leave_line(id)
  call('ZREM', line, id)
  call('HDEL', tickets, id)
end

-- A request gave up, and the waiters behind it are served at once. Its holder may have another request under way that soon asks again:
-- that request gets the place back (0: the holder had been served already, and is next).
local function give_up(id, place, since)
  for _, over in ipairs(call('ZRANGEBYSCORE', given_up, '-inf', int(now - TICKET_MS), 'LIMIT', '0', '100')) do
    call('ZREM', given_up, over)
    call('HDEL', places, over, over .. '|since')
  end
  call('ZADD', given_up, int(now), id)
  call('HSET', places, id, place)
  if since then call('HSET', places, id .. '|since', since) end
end

local join_line
do
  -- The place that a holder gave up a moment ago and now gets back, and since when it waits; nil: none.
  local function place_again(id)
    local at = call('ZSCORE', given_up, id)
    if not at then return nil end
    local place, since = call('HGET', places, id), call('HGET', places, id .. '|since')
    call('ZREM', given_up, id)
    call('HDEL', places, id, id .. '|since')
    if tonumber(at) + TICKET_MS < now then return nil end
    return place or nil, since or nil
  end

  -- A party with a higher priority goes ahead. Answers since when the holder waits, if it had a place before.
  function join_line(id, party)
    local ahead = terms_of(party).priority * 1000000000000
    local place, since = place_again(id)
    call('ZADD', line, place or int(num(call('HINCRBY', budget, 'places', '1')) - ahead), id)
    return since
  end
end

local function read_ticket(id)
  local want, least, seats, seen, till, rest = string.match(call('HGET', tickets, id) or '', '^(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  if not want then return nil end
  local breathes, party, caller = string.match(rest, '^b([01])([^|]*)|(.*)$')
  local since, named = string.match(caller or '', '^(%d+)\31(.*)$')
  return {
    want = num(want), least = num(least), seats = num(seats), seen = num(seen), till = num(till), breathes = breathes == '1', party = party or role_of(id),
    caller = named or caller or rest, since = since,
  }
end

local serve_line, head_waits_for
do
  -- The first in line, who holds up the rest. Waiters that have left or have waited long enough are removed. A waiter that needs more than all
  -- the database's holders could give back waits for foreign connections to close and holds up nobody; at most 20 of these are skipped.
  local function first_in_line()
    local place, id, ticket = 0, nil, nil
    while place < 20 do
      id = call('ZRANGE', line, int(place), int(place))[1]
      if not id then return nil end
      ticket = read_ticket(id)
      if not ticket or ticket.seen + TICKET_MS < now or ticket.till < now or paused(role_of(id)) then leave_line(id)
      elseif ticket.least <= (budget_numbers().capacity or 0) then break
      else place = place + 1 end
    end
    return id, ticket
  end

  -- Serves from the head as far as the connections reach. When the first needs more than is free, it holds up the rest:
  -- a small later claim never starves a large earlier one. Answers whether a waiter remains and holds up newcomers.
  function serve_line()
    while true do
      local id, ticket = first_in_line()
      if not id then return false end
      local give, why = share(ticket.party, role_of(id), ticket.seats, ticket.want, ticket.least)
      if not give then return true end
      leave_line(id)
      if not holder(id) then reserve(id, ticket.caller, give, ticket, why) end
      signal('line')
    end
  end

  -- What the first in line waits for: nobody else takes it while connections come free one by one.
  function head_waits_for()
    local _, ticket = first_in_line()
    return ticket and ticket.least or 0
  end
end

-- Ends expired holders and gives their connections to the line.
local function tidy()
  if end_holders() > 0 then serve_line() end
end

-- Decisions that write at once call this, so that finish() knows.
local changed = false
local function wrote() changed = true end

-- What the database takes of its server is to count at least until then; 0: there is nothing to tell.
local counts_till = 0
local function works_here()
  local told, kept = unpack(call('HMGET', server, budget, 'kept:' .. budget))
  local till = num(string.match(told or '', '^%d+|%d+|(%d+)'))
  if kept then till = math.min(till, num(string.match(kept, '(%d+)$'))) end
  if till < now + LIVES_MS / 2 then counts_till = now + LIVES_MS end
end

local finish
do
  -- Keeps the unused guarantees of this database free from the server's other databases, up to the ceiling: foreign connections
  -- come and go.
  local function keep_guaranteed()
    terms_of('')
    local s, sum = server_numbers(), pooled and 0 or party_terms.sum
    local b = budget_numbers()
    if sum == 0 then
      if s.kept_here and b.capacity then call('HDEL', server, 'kept:' .. budget) end -- else another database recorded it (sample.lua) before this one was ever counted
      return
    end
    local ceiling = b.capacity and b.ceiling or math.huge
    local kept = int(math.max(0, math.min(kept_from(), ceiling - b.granted - b.ended))) .. '|' .. int(math.min(sum, ceiling))
    local known, till = string.match(s.kept_here or '', '^(.*)|(%d+)$')
    if kept ~= known or num(till) < now + LIVES_MS / 2 then call('HSET', server, 'kept:' .. budget, kept .. '|' .. int(now + LIVES_MS)) end
  end

  -- Writes the collected changes under the next mark, tells the server, wakes the waiters, and answers.
  function finish(reply)
    if class_edition > 0 or counts_till > 0 then keep_guaranteed() end
    for _ in pairs(lease_changes) do changed = true end
    for _ in pairs(holder_changes) do changed = true end
    for _, by in pairs(counted) do changed = changed or by ~= 0 end
    if changed then
      mark = math.max(mark + 1, now)
      call('HSET', budget, 'mark', int(mark), spoken, int(mark))
      if not known_voice then call('ZADD', voices, int(now), voice) end
      keep_time()
      if reply then reply[2] = int(mark) end
    end
    for id, changes in pairs(lease_changes) do
      local words = {}
      for field, text in pairs(changes) do
        words[#words + 1] = id .. ':' .. field
        words[#words + 1] = text
      end
      call('HSET', leases, unpack(words))
    end
    for id, h in pairs(holder_changes) do
      if h then
        if not h.told then h.mark = mark end -- a restored holder keeps the mark of its promise
        call('HSET', holders, id, h.lease .. '|' .. int(h.connections) .. '|' .. int(h.till) .. '|' .. h.phase .. '|' .. int(h.mark) .. '|' .. size_text(h) .. h.caller)
        call('ZADD', ends, int(h.till), id)
        if h.allotment and h.phase == 'h' then index_follower(h) end
        if h.fewer then call('HSET', fewer, id, h.fewer) end
        counts_till = math.max(counts_till, h.till)
      else
        call('HDEL', holders, id)
        call('HDEL', fewer, id)
        call('ZREM', ends, id)
      end
    end
    for class, by in pairs(class_changes) do
      if by ~= 0 and call('HINCRBY', classes, class, int(by)) <= 0 then call('HDEL', classes, class) end
    end
    for _, id in ipairs(followers_gone) do
      local again = holder_changes[id] -- it was restored, or came again
      if not again then call('HDEL', asked_of, id) end
      if not again or not again.allotment then call('ZREM', breathing, id) end
    end
    if came then call('HSET', budget, 'came', int(now)) end
    if any_ended then
      call('HSET', budget, 'limbo', int(budget_numbers().ended))
      for id, text in pairs(ended_now) do call('HSET', silent, id, text) end
    end
    for field, by in pairs(counted) do
      if by ~= 0 then call('HINCRBY', budget, field, int(by)) end
    end
    if counts_till > 0 or numbers and (numbers.granted ~= numbers.told_granted or numbers.ended ~= numbers.told_ended) then
      local b = budget_numbers()
      tell_server(b.granted, b.ended, math.max(counts_till, now + LIVES_MS))
    end
    if waits and (server_numbers().wants ~= waits or server_numbers().wants_till < now + TICKET_MS / 2) then
      call('HSET', server, 'wants:' .. budget, int(waits) .. '|' .. int(now + TICKET_MS))
    elseif came and not waits and server_numbers().wants > 0 then
      call('HDEL', server, 'wants:' .. budget)
    end
    for _, id in ipairs(news_of) do
      call('ZADD', news, int(mark), id)
      signal((holder_changes[id] and 'moved:' or 'holder:') .. int(mark) .. ':' .. id)
    end
    -- Everything is written by now: when a signal cannot be sent, only the signal is lost, and the decision stands.
    for _, subject in ipairs(signals) do pcall(call, 'PUBLISH', channel, subject) end
    return reply
  end
end
