-- Put before every decision. One database's keys, all under one hash tag; times are the ledger's own, in milliseconds.
-- Runs alike in Redis (Lua 5.1) and in the in-process ledger (Lua 5.4): no integer division, numbers written by int().
-- What changes is remembered and written by finish(), each field once, however many claims a batch holds.
-- The keys, the channel, the duties of leases, and what a decision is asked and answers have names from the C# types (Ledger/Wire).
local call = redis.call
local unpack = unpack or table.unpack

local SCHEMA = 2               -- the version of the records written here
local RESERVED_MS = 5000       -- a reservation whose waiter gives no sign of life for so long is dropped
local TICKET_MS = 3000         -- so is a place in line
local ATTEMPT_MS = 4000        -- an attempt to issue without a sign of life for so long passes to another replica
local BOOKING_GRACE_MS = 30000 -- a booked moment to issue is kept for its caller for so long
local BOOKING_AHEAD_MS = 600000 -- nobody is booked further ahead
local OVERLAP_MS = 60000       -- a holder that moves to another lease has both logins' connections open for so long at most
local KEEP_MS = 600000         -- a lease that is over stays visible for so long
local QUIET_MS = 5000          -- after the ledger lost something it grants and ends nothing for so long: replicas tell what they remember
local VOICE_MS = 3600000       -- a replica that wrote nothing for so long writes down that it is there
local LIVES_MS = 60000         -- what a database promised counts on its server for so long after anybody worked on it, and to its last holder's end

local server_time
do
  local clock = call('TIME')
  server_time = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
end
-- Each change has a mark, higher than all before it: the ledger's time, or one more than the last mark. Each replica knows the mark of
-- its own last change (heard) and the highest that it saw of anybody's (seen); a ledger that knows earlier ones has lost what came after.
local spoken = 'voice:' .. voice
local version, reached, lacks, epoch, mark, lost, quiet, known_voice, pooled = unpack(call('HMGET', budget, 'schema', 'reached', 'lacks', 'epoch', 'mark', 'lost', 'quiet', spoken, 'pooled'))
reached, lacks = tonumber(reached or '0'), tonumber(lacks or '0')
mark, lost, quiet = tonumber(mark or '0'), tonumber(lost or '0'), tonumber(quiet or '0')
pooled = tonumber(pooled or '') -- what the database's pooler may have of the server; nil: its holders connect to the server themselves

-- The server's clock may fall back (another server has taken over, or somebody set it): the ledger's time does not. It goes on from
-- where it was, ahead of the server's by as much as that lacks. A leap of the server's by about that much sets it right.
if lacks >= 5000 and math.abs(server_time - reached) < lacks / 10 then lacks = 0 end
local now = math.max(server_time + lacks, reached)

-- Remembers how far time has come; called where something is written anyway.
local function keep_time()
  if server_time + lacks >= reached and now - reached < 200 then return end
  call('HSET', budget, 'reached', string.format('%.0f', now), 'lacks', string.format('%.0f', now - server_time))
end

-- A newer broker's records are none of this one's business: nothing is read, taken or written (see SharedLedger.Schema).
if version and tonumber(version) > SCHEMA then
  error('the records are of version ' .. version .. ', and this broker knows version ' .. SCHEMA .. ': run the newer broker')
end

-- A number as it is written; a text is one already.
local function int(n) return type(n) == 'string' and n or string.format('%.0f', n) end
local function num(text) return tonumber(text or '0') or 0 end

-- The server ---------------------------------------------------------------------------------------------------------
-- Databases on one server share its connections, and each says there what it takes of them, by the name of its budget:
-- granted|what may be open of holders that ended|until when that counts|until when it grants nothing. Beside them: capacity, what all of
-- them may be promised together, counted, when it was written; wants:<budget>, connections that somebody waits for|until when; and
-- kept:<budget>, what nobody has of what is guaranteed there|all that is guaranteed there|until when. One behind a pooler takes the pool,
-- whatever its holders have at the pooler, and for an hour: the pooler goes on having it while no broker runs.
local function tell_server(granted, ended, counts_till)
  local till = num(string.match(call('HGET', server, budget) or '', '^%d+|%d+|(%d+)'))
  if pooled then granted, ended, counts_till = pooled, 0, math.max(counts_till, now + 60 * LIVES_MS) end
  call('HSET', server, budget, int(granted) .. '|' .. int(ended) .. '|' .. int(math.max(till, counts_till)) .. '|' .. int(quiet))
end

local server_numbers
do
  -- What the others take, what is kept for what is guaranteed on them, and until when one of them grants nothing. Read once: none of them
  -- decides meanwhile. kept_here: what this one said is kept for it.
  local server_known
  function server_numbers()
    if server_known then return server_known end
    local s = { capacity = nil, counted = 0, others = 0, kept = 0, quiet = 0, takes = {}, wants = 0, wants_till = 0, kept_here = nil }
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

-- Something was lost: another epoch begins, in which nothing is granted or ended until every replica has told what it remembers. What
-- was written before is as old as it may be: logins are tried again before anybody new gets them (law L3).
local function lose(quiet_ms)
  epoch = int(math.max(now, num(epoch) + 1))
  mark = math.max(mark, heard, seen, now)
  lost, quiet = mark, now + quiet_ms
  call('HSET', budget, 'epoch', epoch, 'mark', int(mark), 'lost', int(lost), 'quiet', int(quiet))
  tell_server(num(call('HGET', budget, 'granted')), num(call('HGET', budget, 'limbo')), now + LIVES_MS)
end
if heard > num(known_voice) or seen > mark then
  lose(QUIET_MS)
  known_voice = int(mark) -- it is said once
  call('HSET', budget, spoken, known_voice)
  call('ZADD', voices, int(now), voice)
  call('ZADD', duties, int(now), 'sample')
end
epoch = epoch or ''

-- The books contradict themselves. What a decision does to holders and counts is written at its end: none of it has been yet.
local function broken(what)
  error('BROKEN BOOKS: ' .. what .. '. Nothing is decided on them. Delete the keys that begin like ' .. budget
    .. ' up to the brace: the replicas put back what they remember', 0)
end

-- Waking those who wait: once per decision and subject, after everything is written.
local signals = {}
local function signal(subject)
  for _, known in ipairs(signals) do if known == subject then return end end
  signals[#signals + 1] = subject
end

-- Duties -------------------------------------------------------------------------------------------------------------
-- A member "kind:subject" is due at its score; whichever replica comes first does it.
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

-- Until when an attempt to issue is somebody's: for ATTEMPT_MS after its last sign of life, and as long after replicas came back in their
-- rounds to a ledger that was away, which no sign of life reached; for a minute more at most.
-- rounds, while a user is being made: when a replica came last|since when they come without a break. back_since answers that moment, and
-- when one came last.
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

-- Pools --------------------------------------------------------------------------------------------------------------
-- A pool has a lease that takes holders (its taker), and one that is being issued (its next).
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
-- The legal moves of a lease, all of them (Model/LeaseState.cs names the states).
-- Made when it is needed: most decisions move nothing.
local function moves()
  return {
    Issuing      = { Active = true, Failed = true, Unknown = true },
    Active       = { Retiring = true, Expired = true },
    Retiring     = { Revoking = true, Expired = true },
    Unknown      = { Revoking = true },
    Expired      = { Revoking = true },
    Revoking     = { Revoking = true, Revoked = true, RevokeFailed = true }, -- to itself: to say what is still to be done
    RevokeFailed = { Revoking = true, Revoked = true },
    Revoked      = {},
    Failed       = {},
  }
end
local LEASE_FIELDS = { 'state', 'pool', 'fence', 'starts', 'attempt', 'begun', 'expires', 'life', 'holders', 'connections', 'max', 'idle', 'role', 'renewable', 'verified', 'broken', 'cap', 'cap_at', 'limit', 'beyond' }
local lease_cache = {}
local lease_changes = {}

-- Fields of a lease by their names, as they are stored; nil: not there. into: a table to put them into.
local function stored(id, fields, into)
  local names = {}
  for i, field in ipairs(fields) do names[i] = id .. ':' .. field end
  local texts = call('HMGET', leases, unpack(names))
  local found = into or {}
  for i, field in ipairs(fields) do found[field] = texts[i] or nil end
  return found
end

local function lease(id)
  local known = lease_cache[id]
  if known ~= nil then return known end
  -- Its names stand here first so that the table is made once and as large as it gets.
  local l = {
    id = id, state = nil, pool = nil, fence = nil, starts = nil, attempt = nil, begun = nil, expires = nil, life = nil, holders = nil, connections = nil,
    max = nil, idle = nil, role = nil, renewable = nil, verified = nil, broken = nil, cap = nil, cap_at = nil, limit = nil, beyond = nil,
  }
  stored(id, LEASE_FIELDS, l)
  if l.state then
    l.fence, l.starts, l.attempt, l.begun = l.fence or '0', num(l.starts), num(l.attempt), l.begun == '1'
    l.expires, l.life, l.holders, l.connections, l.max, l.idle = num(l.expires), num(l.life), num(l.holders), num(l.connections), num(l.max), num(l.idle)
    l.renewable, l.broken = l.renewable == '1', l.broken == '1'
    l.verified = num(l.verified) > lost and num(l.verified) or 0
    -- -1: the database does not cap its user's connections, or may have been told of another cap in what the ledger lost.
    l.cap_at = num(l.cap_at)
    l.limit = l.limit and num(l.limit) or -1 -- -1: its user may open as many as there are
    l.cap = l.cap and l.cap_at > lost and num(l.cap) or -1
    l.beyond = num(l.beyond) -- connections that its user had open when they were counted, and its holders were not granted
  else
    l = false
  end
  lease_cache[id] = l
  return l
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

-- Law L3: what is given has at least half of its lease's life left, and a login that worked when it was last tried.
local function lively(l) return l.state == 'Active' and not l.broken and l.verified > 0 and l.expires - now >= l.life / 2 end

-- Not tried again since the ledger lost something: for those alone who had it before. Who needs it has it tried now.
local function unproven(l)
  local is = l.state == 'Active' and not l.broken and l.verified == 0
  if is then due('verify', l.id, now) end
  return is
end

-- What the cap of a lease's user leaves of what its holders have and others have open; nil: it has none.
local function cap_leaves(l) return l.cap >= 0 and l.cap - l.connections - l.beyond or nil end

-- Moves a lease to another state, or says why not.
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
    -- Kept to be seen, not to be used.
    for _, field in ipairs({ 'login', 'fence', 'starts', 'attempt', 'broken', 'cap', 'cap_at', 'capped', 'capping', 'beyond', 'linger', 'replaces', 'because' }) do
      call('HDEL', leases, l.id .. ':' .. field)
    end
  end
  signal('pool:' .. l.pool)
  return true
end

-- Before its last renewable moment a lease is followed by another. The spread (0 to 1) keeps many leases from rotating at once.
local function plan_rotation(l, spread)
  if l.state ~= 'Active' then return end
  if l.renewable then return never('rotate', l.id) end
  due_at('rotate', l.id, math.max(now, l.expires - l.life * (0.55 + 0.15 * spread)))
end

-- Holders ------------------------------------------------------------------------------------------------------------
-- lease|connections|end|phase|mark|b<least>:<want>:<to>:<allotment>:<party>|caller: phase 'r' = connections reserved, the lease not yet
-- given; 'h' = holding it. least and want: what it said it accepts; to: what it is to go down to, and has not confirmed yet, or what it
-- has; allotment: the number of the last size that it was told, none: it does not follow sizes; party: with whom it shares the database
-- (none: its role).
-- Why one has fewer connections than it wanted stands apart (fewer, by holder), for its answers alone: kept N (room for N others) |
-- guaranteed N (of what is free, N are kept for others) | free N (no more were free) | user N (what the database lets one user open).
local holder_cache = {}

-- The role is the part of a holder's id before the dot.
local function role_of(id) return string.match(id, '^([^.]*)') end

-- Who is alike for the division of the database: party|least|want|size. Who does not follow sizes has the one it has.
local function class_of(h)
  if h.allotment and h.phase == 'h' then return h.party .. '|' .. int(h.least) .. '|' .. int(h.want) .. '|' .. int(h.to) end
  local size = int(h.connections)
  return h.party .. '|' .. size .. '|' .. size .. '|' .. size
end

-- What stands before the caller in a record.
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
      -- As brokers wrote it before there were marks.
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

-- Those who follow sizes, by party and size, the largest first.
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

-- How many holders there are of each class; what changes is written at the end.
local class_changes, class_edition = {}, 0
local function reclass(h, class)
  if h.class == class then return end
  if h.class then class_changes[h.class] = (class_changes[h.class] or 0) - 1 end
  if class then class_changes[class] = (class_changes[class] or 0) + 1 end
  h.class, class_edition = class, class_edition + 1
end

local holder_changes = {} -- by id: the holder as it is to be written; false: it goes
local function write_holder(h)
  if not h.least then h.least, h.want, h.to, h.party = h.connections, h.connections, h.connections, h.party or role_of(h.id) end
  reclass(h, class_of(h))
  holder_cache[h.id] = h
  holder_changes[h.id] = h
end

-- The budget's numbers, read once; what is counted meanwhile is added to them and written at the end.
local numbers, counted = nil, {}
local function budget_numbers()
  if not numbers then
    local v = call('HMGET', budget, 'capacity', 'granted', 'sampled', 'stale', 'limbo', 'terms', 'came', 'ceiling')
    numbers = { capacity = v[1] and num(v[1]), granted = num(v[2]), sampled = num(v[3]), stale = num(v[4]), ended = num(v[5]), terms = v[6] or '', came = num(v[7]), ceiling = num(v[8]) }
    numbers.told_granted, numbers.told_ended = numbers.granted, numbers.ended
    -- No more than the server has for all its databases; a pooler's clients are no connections of the server's.
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

-- What holders did elsewhere, of which every replica hears: 'holder' left, or has another lease.
local news_of = {}
local function tell(h)
  if h.phase == 'h' then news_of[#news_of + 1] = h.id end
end

-- Gives a holder another number of connections, which counts from now on.
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

-- Ends the holders whose end has come; a bounded number at a time, because not ending one yet is safe. Who ends without a word
-- may still have its connections open: until they are counted again they are as good as foreign (law L2).
-- Each is remembered (silent: at|connections|lease, by holder) until a count shows its connections closed.
local ended_now = {}
local function may_be_open(h)
  if h.phase ~= 'h' then return end
  local b = budget_numbers()
  b.ended = b.ended + h.connections
  ended_now[#ended_now + 1] = { id = h.id, text = int(now) .. '|' .. int(h.connections) .. '|' .. h.lease }
end

-- What a holder that ended without a word may have open, and what counts of it.
local function left_open(id)
  local b = budget_numbers()
  if b.ended == 0 then return 0 end
  return math.min(b.ended, num(string.match(call('HGET', silent, id) or '', '^%d+|(%d+)|')))
end

-- Such a holder is back: what it has open is its own again.
local function is_back(id, open)
  if open == 0 then return end
  local b = budget_numbers()
  b.ended = b.ended - open
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
  -- Parties: who shares a database fairly. Weights, guarantees and priorities are written with each count, where they are not the usual
  -- ones; a party without is of weight 1 and priority 0, with nothing guaranteed.
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

  -- The classes as they are, with what this decision has changed, by party. They are counted anew where they are not those of all holders:
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

  -- What a party's holders have, or are to go down to.
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

  -- What is kept free for others than a party (nil: for all): of what is guaranteed to them, what they do not have.
  function kept_from(party)
    terms_of(party)
    local kept = 0
    for _, name in ipairs(party_terms.guaranteed) do
      if name ~= party then kept = kept + math.max(0, party_terms[name].guaranteed - taken(name)) end
    end
    return kept
  end
end

-- What the database may have of its server while others want some of it: all are filled to one level, each from what is guaranteed on it up
-- to what it takes, what is kept for it and what somebody waits for there (max-min fairness: fair.lua). What is left of whole numbers goes to
-- the first by name.
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

-- What the database's holders may have together, those that ended included: no more than the server's others leave, what is guaranteed on them
-- and nobody has included, and no more than is fair while somebody waits for connections there. What is guaranteed here is narrowed by neither.
local function within_reach(guaranteed)
  local capacity, s = budget_numbers().capacity or 0, server_numbers()
  if pooled or not s.capacity then return capacity end
  capacity = math.min(capacity, s.capacity - s.others)
  return guaranteed and capacity or math.min(capacity, s.capacity - s.others - s.kept, fair_part())
end

-- Somebody waits for connections that would be this database's fair part of the server: the others are told, for as long as a waiter may be
-- silent. Who waits for more than that waits for what is free; what is guaranteed to its party is kept for it without.
local waits
local function wait_on_server(party, least)
  local b, s = budget_numbers(), server_numbers()
  if pooled or #s.takes == 0 or not s.capacity then return end
  local beyond = least - math.max(0, math.min(least, terms_of(party).guaranteed - taken(party)))
  if beyond > 0 and b.granted + b.ended + kept_from() + beyond <= math.min(b.capacity or 0, fair_part()) then waits = math.max(waits or 0, beyond) end
end

-- How many connections are free: none while nobody could count lately (age: ms since the last count), nor while replicas put
-- back what the ledger lost (law L8), here or of another database of the server. guaranteed: free for what is guaranteed here.
local function free(guaranteed)
  local b = budget_numbers()
  local age = now - b.sampled
  if not b.capacity or age > b.stale or now < quiet or now < server_numbers().quiet then return 0, age end
  return within_reach(guaranteed) - b.ended - b.granted, nil
end

-- How many of them a party may have without a claim: to grow, or for the logins of a holder that moves. aside: what is to stay free besides.
local function room_for(party, aside)
  return math.max((free()) - kept_from(party) - aside, math.min((free(true)), terms_of(party).guaranteed - taken(party)))
end

-- Somebody comes to a database that was not counted any more, because nobody held or waited for anything (rest.lua): it is counted now.
local function wake()
  if not call('HGET', budget, 'resting') then return end
  call('HSET', budget, 'used', int(now))
  call('HDEL', budget, 'idle', 'resting')
  call('ZADD', duties, int(now), 'sample')
end

-- What a claim gets now, or nil: never more than is free (law L2) and not kept for others, and early holders of a role leave room for
-- those that are still to come (seats = expected holders and their surge). own: what counts already of what the asking holder has open.
-- guaranteed: what is left of its party's guarantee, which others' do not narrow; nil: it asks for what is nobody's. Answers too why that
-- is less than it wants.
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

-- range: least, want, party, and whether it breathes; who does not keeps what it gets.
local came = false
-- Since when is for people alone, and stands before the caller's name. why: why it is less than was wanted; nil: it is not.
local function reserve(id, caller, give, range, why)
  local h = { id = id, lease = '', connections = give, till = now + RESERVED_MS, phase = 'r', mark = 0, caller = int(math.floor(now / 1000)) .. '\31' .. caller, fewer = why }
  h.least, h.want = give, give
  if range.breathes then h.least, h.want = math.min(range.least, give), math.max(range.want, give) end
  h.to, h.party, came = give, range.party, true
  count(id, give, 1)
  write_holder(h)
  return h
end

-- Roles that give nothing to anybody new, by operators' orders: ',role=Paused,,role=Draining,'. Nil: the role gives.
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
-- want|least|seats|seen|until|b<breathes><party>|since\31caller, by holder; its place is its score in the line. Since is for people, in seconds.
local function leave_line(id)
  call('ZREM', line, id)
  call('HDEL', tickets, id)
end

-- A request gave up, and those behind it are served at once. Its holder may have another one under way, which asks again before long:
-- that one gets the place back (0: it had been served already, and is next).
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
  -- The place that a holder gave up a moment ago, and has again, and since when it waits; nil: none.
  local function place_again(id)
    local at = call('ZSCORE', given_up, id)
    if not at then return nil end
    local place, since = call('HGET', places, id), call('HGET', places, id .. '|since')
    call('ZREM', given_up, id)
    call('HDEL', places, id, id .. '|since')
    if tonumber(at) + TICKET_MS < now then return nil end
    return place or nil, since or nil
  end

  -- Whose party has a higher priority goes ahead. Answers since when it waits, where it had a place before.
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
  -- Who is first in line and holds up those behind. Who has left or waited long enough is passed over for good; who needs more than all that
  -- the database's holders could give back waits for connections of others, which may close, and holds up nobody: of these 20 are passed.
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

  -- Serves from the head as far as the connections reach. Who is first and needs more than is free holds up those behind:
  -- a small later claim never starves a large earlier one. Answers whether somebody waits on and holds up who comes.
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

  -- What the first in line waits for: nobody else takes it from connections that come free one by one.
  function head_waits_for()
    local _, ticket = first_in_line()
    return ticket and ticket.least or 0
  end
end

-- Frees what is over and gives it to those in line.
local function tidy()
  if end_holders() > 0 then serve_line() end
end

-- For decisions that write at once: that they did.
local changed = false
local function wrote() changed = true end

-- Until when what the database takes of its server counts at least; 0: nothing is to be told.
local counts_till = 0
local function works_here()
  local told, kept = unpack(call('HMGET', server, budget, 'kept:' .. budget))
  local till = num(string.match(told or '', '^%d+|%d+|(%d+)'))
  if kept then till = math.min(till, num(string.match(kept, '(%d+)$'))) end
  if till < now + LIVES_MS / 2 then counts_till = now + LIVES_MS end
end

local finish
do
  -- Has the server's others leave what is guaranteed here and nobody has, as far as the ceiling lets it be had: what others than the broker use
  -- comes and goes.
  local function keep_guaranteed()
    terms_of('')
    local s, sum = server_numbers(), pooled and 0 or party_terms.sum
    local b = budget_numbers()
    if sum == 0 then
      if s.kept_here and b.capacity then call('HDEL', server, 'kept:' .. budget) end -- else others said it (sample.lua), and it was never counted
      return
    end
    local ceiling = b.capacity and b.ceiling or math.huge
    local kept = int(math.max(0, math.min(kept_from(), ceiling - b.granted - b.ended))) .. '|' .. int(math.min(sum, ceiling))
    local known, till = string.match(s.kept_here or '', '^(.*)|(%d+)$')
    if kept ~= known or num(till) < now + LIVES_MS / 2 then call('HSET', server, 'kept:' .. budget, kept .. '|' .. int(now + LIVES_MS)) end
  end

  -- Writes what was remembered under the next mark, tells it, wakes who waits for it, and answers.
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
        if not h.told then h.mark = mark end -- what is put back keeps the mark of its promise
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
      local again = holder_changes[id] -- put back, or come again
      if not again then call('HDEL', asked_of, id) end
      if not again or not again.allotment then call('ZREM', breathing, id) end
    end
    if came then call('HSET', budget, 'came', int(now)) end
    if #ended_now > 0 then
      call('HSET', budget, 'limbo', int(budget_numbers().ended))
      for _, h in ipairs(ended_now) do call('HSET', silent, h.id, h.text) end
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
      signal('holder:' .. int(mark) .. ':' .. id)
    end
    -- All is written by now: a signal that cannot be sent is a lost one, and no reason to say that nothing was done.
    for _, subject in ipairs(signals) do pcall(call, 'PUBLISH', channel, subject) end
    return reply
  end
end
