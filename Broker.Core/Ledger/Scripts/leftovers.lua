-- Users in the database that look like the broker's and that no lease knows. ARGV: channel: answers the time, then user, first
-- seen, facts, …
-- ARGV: channel, all, then user, facts, …: these are all there are now. Answers: ok
if not ARGV[2] then
  local reply = { int(now) }
  local known = call('HGETALL', leftovers)
  for i = 1, #known, 2 do
    local seen, facts = string.match(known[i + 1], '^(%d+)|(.*)$')
    reply[#reply + 1] = known[i]
    reply[#reply + 1] = seen
    reply[#reply + 1] = facts
  end
  return reply
end
local there = {}
for i = 3, #ARGV, 2 do
  local seen = string.match(call('HGET', leftovers, ARGV[i]) or '', '^(%d+)|')
  call('HSET', leftovers, ARGV[i], (seen or int(now)) .. '|' .. ARGV[i + 1])
  there[ARGV[i]] = true
end
local known = call('HGETALL', leftovers)
for i = 1, #known, 2 do
  if not there[known[i]] then call('HDEL', leftovers, known[i]) end
end
return { 'ok' }
