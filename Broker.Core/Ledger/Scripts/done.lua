-- A duty is done until its next time (none: for good), or it failed.
-- asked:   name, token, next?: ms, failure?
-- answers: ok | lost
local name = asked.name
if call('HGET', takes, name) ~= asked.token then return answer.lost() end
local again = call('HGET', takes, name .. '|again')
call('HDEL', takes, name, name .. '|again')
if not asked.failure then
  call('HDEL', failing, name)
else
  local times, since = string.match(call('HGET', failing, name) or '', '^(%d+)|(%d+)|')
  call('HSET', failing, name, int(num(times) + 1) .. '|' .. (since or int(now)) .. '|' .. asked.failure)
end
local set = call('ZSCORE', duties, name)
-- The duty is gone: its purpose is over.
if not set then
  call('HDEL', failing, name)
  return answer.ok()
end
local untouched = tonumber(set) == tonumber(asked.token)
if again then
  call('ZADD', duties, int(now), name)
elseif not asked.next then
  if untouched then call('ZREM', duties, name) end
elseif untouched or tonumber(set) > now + asked.next then
  call('ZADD', duties, int(now + asked.next), name)
end
return answer.ok()
