-- The holders that end first, of one lease, or of all.
-- asked:   lease?, most: number
-- answers: holders {…}
--   holders: id, caller, connections: number, ends_at: time, waiting: flag
tidy()
local found = {}
for _, id in ipairs(call('ZRANGE', ends, '0', int(asked.most - 1))) do
  local h = holder(id)
  if h and (not asked.lease or h.lease == asked.lease) then
    found[#found + 1] = { id = id, caller = h.caller, connections = h.connections, ends_at = h.till, waiting = h.phase == 'r' }
  end
end
return finish(answer{ holders = found })
