-- Some holders, those that end first, from those that end then, some of which are passed over.
-- asked:   ends_from: time, skip: number, most: number
-- answers: looked: number, holders {…}
--   holders: id, lease, caller, connections: number, ends_at: time, waiting: flag
tidy()
local found = {}
local looked = call('ZRANGEBYSCORE', ends, int(asked.ends_from), '+inf', 'LIMIT', int(asked.skip), int(asked.most))
for _, id in ipairs(looked) do
  local h = holder(id)
  if h then
    found[#found + 1] = { id = id, lease = h.lease, caller = h.caller, connections = h.connections, ends_at = h.till, waiting = h.phase == 'r' }
  end
end
return finish(answer{ looked = #looked, holders = found })
