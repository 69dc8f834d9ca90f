-- Put before the decisions on how many connections the database itself lets a lease's user open, after common.lua. Who changes that
-- does so alone, by a token that runs out.
local function capped_lease(id)
  local l = lease(id)
  return l and (l.state == 'Active' or l.state == 'Retiring') and l
end

-- The token of who is at it, and till when.
local function capping(l) return string.match(stored(l.id, { 'capping' }).capping or '', '^(.-)|(%d+)$') end
