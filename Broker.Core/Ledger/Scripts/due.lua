-- Takes the duties that are due. ARGV: channel, most, taken for ms, standing duties wait after the ledger is new ms, duties that always stand …
-- Answers: the ledger's epoch (another one: it has lost something since), then member, token (it proves the taking),
-- failures in a row, …
local epoch = call('HGET', budget, 'epoch')
local first = now
if not epoch then
  -- New, or it lost everything: who remembers what was in it is to speak before anything is counted and granted (law L8).
  epoch = int(now)
  call('HSET', budget, 'epoch', epoch)
  first = now + num(ARGV[4])
end
if num(version) < SCHEMA then call('HSET', budget, 'schema', int(SCHEMA)) end
for i = 5, #ARGV do
  if not call('ZSCORE', duties, ARGV[i]) then call('ZADD', duties, int(first), ARGV[i]) end
end
tidy()
local reply = { epoch }
for _, member in ipairs(call('ZRANGEBYSCORE', duties, '-inf', int(now), 'LIMIT', '0', ARGV[2])) do
  local taken = num(call('HGET', takes, member))
  if taken > now then
    -- Somebody is at it, and it became due again: it comes up once more as soon as that is done.
    call('HSET', takes, member .. '|again', '1')
    call('ZADD', duties, int(taken), member)
  else
    local till = int(now + num(ARGV[3]))
    call('HDEL', takes, member .. '|again')
    call('HSET', takes, member, till)
    call('ZADD', duties, till, member)
    reply[#reply + 1] = member
    reply[#reply + 1] = till
    reply[#reply + 1] = string.match(call('HGET', failing, member) or '0|', '^(%d+)|')
  end
end
return (finish(reply))
