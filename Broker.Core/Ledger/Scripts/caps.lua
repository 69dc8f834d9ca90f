-- Put before the decisions on how many connections the database itself lets a lease's user open, after common.lua. Who changes that
-- does so alone, by a token that runs out.
local function capped_lease(id)
  local l = lease(id)
  return l and (l.state == 'Active' or l.state == 'Retiring') and l
end

-- What the database is told, or about to be. What the ledger loses it may have been told nonetheless.
local function put_cap(l, cap)
  put(l, 'cap', cap)
  put(l, 'cap_at', math.max(now, lost + 1))
end

-- The token of who is at it, and till when.
local function capping(l) return string.match(stored(l.id, { 'capping' }).capping or '', '^(.-)|(%d+)$') end
