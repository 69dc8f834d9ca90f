-- Takes the duties that are due. A taken duty's token is the time until which it is taken.
-- asked:   most: number, taken_for: ms, settling: ms, standing …
-- answers: epoch, taken {…}
--   taken: name, token, failures: number
local epoch = call('HGET', budget, 'epoch')
local first = now
if not epoch then
  -- New, or it lost everything: who remembers what was in it is to speak before anything is counted and granted (law L8).
  epoch = int(now)
  call('HSET', budget, 'epoch', epoch)
  first = now + asked.settling
end
if num(version) < SCHEMA then call('HSET', budget, 'schema', int(SCHEMA)) end
for _, member in ipairs(asked.standing) do
  if not call('ZSCORE', duties, member) then call('ZADD', duties, int(first), member) end
end
keep_time()
tidy()
local found = {}
for _, member in ipairs(call('ZRANGEBYSCORE', duties, '-inf', int(now), 'LIMIT', '0', int(asked.most))) do
  local taken = num(call('HGET', takes, member))
  if taken > now then
    -- Somebody is at it, and it became due again: it comes up once more as soon as that is done.
    call('HSET', takes, member .. '|again', '1')
    call('ZADD', duties, int(taken), member)
  else
    local till = int(now + asked.taken_for)
    call('HDEL', takes, member .. '|again')
    call('HSET', takes, member, till)
    call('ZADD', duties, till, member)
    found[#found + 1] = { name = member, token = till, failures = num(string.match(call('HGET', failing, member) or '0|', '^(%d+)|')) }
  end
end
return finish(answer{ epoch = epoch, taken = found })
