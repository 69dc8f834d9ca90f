-- The duties, those due first. ARGV: channel, most. Answers: now, then member, due at, taken till (0: nobody is at it), failures in a row, failing since, why …
local reply = { int(now) }
local found = call('ZRANGE', duties, '0', int(num(ARGV[2]) - 1), 'WITHSCORES')
for i = 1, #found, 2 do
  local taken = num(call('HGET', takes, found[i]))
  local times, since, why = string.match(call('HGET', failing, found[i]) or '', '^(%d+)|(%d+)|(.*)$')
  reply[#reply + 1] = found[i]
  reply[#reply + 1] = int(tonumber(found[i + 1]))
  reply[#reply + 1] = int(taken > now and taken or 0)
  reply[#reply + 1] = times or '0'
  reply[#reply + 1] = since or ''
  reply[#reply + 1] = why or ''
end
return reply
