-- A duty is done, until its next time. ARGV: channel, member, token, next in ms (-1: never), what failed (empty: nothing)
-- Answers: ok | lost (its time was up, and it is somebody else's)
if call('HGET', takes, ARGV[2]) ~= ARGV[3] then return { 'lost' } end
local again = call('HGET', takes, ARGV[2] .. '|again')
call('HDEL', takes, ARGV[2], ARGV[2] .. '|again')
if ARGV[5] == '' then
  call('HDEL', failing, ARGV[2])
else
  local times, since = string.match(call('HGET', failing, ARGV[2]) or '', '^(%d+)|(%d+)|')
  call('HSET', failing, ARGV[2], int(num(times) + 1) .. '|' .. (since or int(now)) .. '|' .. ARGV[5])
end
local set = call('ZSCORE', duties, ARGV[2])
-- Gone meanwhile: what it was for is over.
if not set then
  call('HDEL', failing, ARGV[2])
  return { 'ok' }
end
local untouched = tonumber(set) == tonumber(ARGV[3])
if again then
  call('ZADD', duties, int(now), ARGV[2])
elseif ARGV[4] == '-1' then
  if untouched then call('ZREM', duties, ARGV[2]) end
elseif untouched or tonumber(set) > now + num(ARGV[4]) then
  call('ZADD', duties, int(now + num(ARGV[4])), ARGV[2])
end
return { 'ok' }
