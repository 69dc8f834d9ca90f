-- Runs before a count reads what was granted: the time, and the holders that ended silently and may have connections open.
-- asked:   nothing
-- answers: now: time, holders {…}
--   holders: holder, lease, connections: number
tidy()
finish()
local found = {}
local known = call('HGETALL', silent)
for i = 1, #known, 2 do
  local _, connections, on = string.match(known[i + 1], '^(%d+)|(%d+)|(.*)$')
  found[#found + 1] = { holder = known[i], lease = on, connections = num(connections) }
end
table.sort(found, function(a, b) return a.holder < b.holder end) -- a hash has no order of its own
return answer{ now = now, holders = found }
