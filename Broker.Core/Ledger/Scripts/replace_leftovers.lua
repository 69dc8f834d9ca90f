-- Users in the database that look like the broker's and that no lease knows: the complete list as of now.
-- asked:   unsure: flag, users {…}
--   users: username, facts
-- answers: done
local there = {}
for _, user in ipairs(asked.users) do
  local seen = string.match(call('HGET', leftovers, user.username) or '', '^(%d+)|')
  call('HSET', leftovers, user.username, (seen or int(now)) .. '|' .. user.facts)
  there[user.username] = true
end
local known = call('HGETALL', leftovers)
for i = 1, #known, 2 do
  if not there[known[i]] then call('HDEL', leftovers, known[i]) end
end
if not asked.unsure then call('HSET', budget, 'looked', int(now)) end
return answer.done()
