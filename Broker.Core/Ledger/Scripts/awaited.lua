-- Prepended to decisions on leases without holders, after common.lua.

-- An earlier lease whose holders are to come to this one, each in its own time: without this lease they would need another user (law L12).
-- Nil: no holder is on its way.
local function awaited(l)
  if pool(l.pool).taker ~= l.id then return nil end
  return each_lives('pool', function(id, of)
    local other = of == l.pool and lease(id)
    return other and other.state == 'Retiring' and other.holders > 0 and other.expires > now and other
  end)
end
