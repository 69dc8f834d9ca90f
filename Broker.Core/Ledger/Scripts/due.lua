-- Takes the duties that are due. ARGV: channel, most, taken for ms, duties that always stand … Answers: member, token, … (the token proves the taking)
for i = 4, #ARGV do
  if not call('ZSCORE', duties, ARGV[i]) then call('ZADD', duties, int(now), ARGV[i]) end
end
tidy()
local reply = {}
for _, member in ipairs(call('ZRANGEBYSCORE', duties, '-inf', int(now), 'LIMIT', '0', ARGV[2])) do
  local taken = num(call('HGET', takes, member))
  if taken > now then
    call('ZADD', duties, int(taken), member)
  else
    local till = int(now + num(ARGV[3]))
    call('HSET', takes, member, till)
    call('ZADD', duties, till, member)
    reply[#reply + 1] = member
    reply[#reply + 1] = till
  end
end
return finish(reply)
