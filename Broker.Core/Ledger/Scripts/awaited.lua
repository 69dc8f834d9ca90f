-- Put before decisions on leases that nobody holds, after common.lua.

-- A lease before this one whose holders are to come to it, each in its own time: with it gone they would need another user (law L12).
-- Nil: nobody is on his way.
local function awaited(l)
  if pool(l.pool).taker ~= l.id then return nil end
  for _, id in ipairs(call('ZRANGE', order, '0', '-1')) do
    local other = lease(id)
    if other and other.pool == l.pool and other.state == 'Retiring' and other.holders > 0 and other.expires > now then return other end
  end
end
