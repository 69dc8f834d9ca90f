-- Users in the database that look like the broker's and that no lease knows: first seen|facts, by name.
-- asked:   nothing
-- answers: users {…}
--   users: username, first_seen_at: time, facts
local found = {}
local known = call('HGETALL', leftovers)
for i = 1, #known, 2 do
  local seen, facts = string.match(known[i + 1], '^(%d+)|(.*)$')
  found[#found + 1] = { username = known[i], first_seen_at = num(seen), facts = facts }
end
return answer{ users = found }
