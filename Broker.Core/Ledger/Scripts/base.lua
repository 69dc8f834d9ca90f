-- The first part of every decision: the ledger's time, its marks, and its leases. The keys are those of one database, all under one hash tag; times are
-- the ledger's own, in milliseconds. The names of the keys, the channel, the duties of leases, the questions and the answers come from the C# types
-- (Ledger/Wire).
-- It works the same in Redis (Lua 5.1) and in the in-process ledger (Lua 5.4): there is no integer division, and int() writes the numbers.

local SCHEMA = 2               -- the version of the records written here

local server_time
do
  local clock = call('TIME')
  server_time = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
end
-- Each change has a mark that is higher than all before it: the ledger's time, or the last mark plus one. Each replica knows the mark of
-- its own last change (heard) and the highest mark it has seen of any replica (seen); a ledger that knows only earlier marks has lost the rest.
local spoken = 'voice:' .. voice
local version, reached, lacks, epoch, mark, lost, quiet, known_voice, pooled = unpack(call('HMGET', budget, 'schema', 'reached', 'lacks', 'epoch', 'mark', 'lost', 'quiet', spoken, 'pooled'))
reached, lacks, epoch = tonumber(reached or '0'), tonumber(lacks or '0'), epoch or ''
mark, lost, quiet = tonumber(mark or '0'), tonumber(lost or '0'), tonumber(quiet or '0')
pooled = tonumber(pooled or '') -- the server's connections that the database's pooler may use; nil: its holders connect to the server directly

-- The server's clock may fall back (another server takes over, or somebody sets it); the ledger's time does not. It continues from
-- where it was, ahead of the server's clock by "lacks". When the server's clock leaps forward by about that much, the lead is dropped.
if lacks >= 5000 and math.abs(server_time - reached) < lacks / 10 then lacks = 0 end
local now = math.max(server_time + lacks, reached)

-- This broker leaves a newer broker's records alone: it reads, takes and writes nothing (see SharedLedger.Schema).
if version and tonumber(version) > SCHEMA then
  error('the records are of version ' .. version .. ', and this broker knows version ' .. SCHEMA .. ': run the newer broker')
end

-- Leases
local LEASE_FIELDS = { 'state', 'pool', 'fence', 'starts', 'attempt', 'begun', 'expires', 'life', 'holders', 'connections', 'max', 'idle', 'role', 'renewable', 'verified', 'broken', 'cap', 'cap_at', 'limit', 'beyond' }
local lease_cache = {}

-- Fields of a lease by name, as they are stored; nil: not there. into: a table that receives them.
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
  -- The names are listed here so that the table is allocated once, at its full size.
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
    -- -1: the database does not cap its user's connections, or was perhaps told of another cap in what the ledger lost.
    l.cap_at = num(l.cap_at)
    l.limit = l.limit and num(l.limit) or -1 -- -1: its user may open any number
    l.cap = l.cap and l.cap_at > lost and num(l.cap) or -1
    l.beyond = num(l.beyond) -- connections that its user had open at the last count beyond those granted to its holders
  else
    l = false
  end
  lease_cache[id] = l
  return l
end

-- Law L3: a lease is given only with at least half of its life left and a login that worked at the last try.
local function lively(l) return l.state == 'Active' and not l.broken and l.verified > 0 and l.expires - now >= l.life / 2 end

-- What the cap of a lease's user leaves, beyond what its holders have and others have open; nil: there is no cap.
local function cap_leaves(l) return l.cap >= 0 and l.cap - l.connections - l.beyond or nil end
