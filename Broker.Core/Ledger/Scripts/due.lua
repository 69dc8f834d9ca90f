-- Takes the duties that are due. ARGV: channel, most, taken for ms. Answers: member, token, … (the token proves the taking)
if not call('ZSCORE', duties, 'sample') then call('ZADD', duties, int(now), 'sample') end
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
