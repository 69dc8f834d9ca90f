-- Prepended to the decisions on how many connections the database itself lets a lease's user open, after common.lua. One replica at a time
-- changes that, by a token that runs out.
local function capped_lease(id)
  local l = lease(id)
  return l and (l.state == 'Active' or l.state == 'Retiring') and l
end

-- Stores what the database is told, or is about to be told. The database may have been told even what the ledger loses.
local function put_cap(l, cap)
  put(l, 'cap', cap)
  put(l, 'cap_at', math.max(now, lost + 1))
end

-- The token of a replica at work in whose turn another, whose turn was over, told the database something: it has no say any more.
local DOUBT = '!'
local function doubted(token) return token .. DOUBT end

-- The token of the replica at work, and until when it holds.
local function capping(l) return string.match(stored(l.id, { 'capping' }).capping or '', '^(.-)|(%d+)$') end
