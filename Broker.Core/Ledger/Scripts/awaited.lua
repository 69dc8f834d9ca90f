-- Prepended to decisions on leases without holders, after common.lua.

-- An earlier lease whose holders are to come to this one, each in its own time: without this lease they would need another user (law L12).
-- Nil: no holder is on its way.
local function awaited(l)
  if pool(l.pool).taker ~= l.id then return nil end
  for _, id in ipairs(call('ZRANGE', order, '0', '-1')) do
    local other = lease(id)
    if other and other.pool == l.pool and other.state == 'Retiring' and other.holders > 0 and other.expires > now then return other end
  end
end
