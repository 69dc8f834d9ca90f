-- The budget as it stands. Answers: now, sampled, limit, superusers, ceiling, foreign, capacity, granted, in line, then role, holders, connections, open beyond that …
tidy()
finish({})
local v = call('HMGET', budget, 'sampled', 'limit', 'superusers', 'ceiling', 'foreign', 'capacity', 'granted', 'limbo')
local reply = { int(now), v[1] or '', v[2] or '0', v[3] or '0', v[4] or '0', int(num(v[5]) + num(v[8])), int(math.max(0, num(v[6]) - num(v[8]))), v[7] or '0', int(num(call('ZCARD', line))) }
for i = 2, #ARGV do
  reply[#reply + 1] = ARGV[i]
  reply[#reply + 1] = call('HGET', budget, 'holders:' .. ARGV[i]) or '0'
  reply[#reply + 1] = call('HGET', budget, 'connections:' .. ARGV[i]) or '0'
  reply[#reply + 1] = call('HGET', budget, 'over:' .. ARGV[i]) or '0'
end
return reply
