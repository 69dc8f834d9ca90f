-- A duty is done, until its next time. ARGV: channel, member, token, next in ms (-1: never). Answers: ok | lost
if call('HGET', takes, ARGV[2]) ~= ARGV[3] then return { 'lost' } end
call('HDEL', takes, ARGV[2])
local set = call('ZSCORE', duties, ARGV[2])
local untouched = set and tonumber(set) == tonumber(ARGV[3])
if ARGV[4] == '-1' then
  if untouched then call('ZREM', duties, ARGV[2]) end
  return { 'ok' }
end
local next_at = now + num(ARGV[4])
if not set or untouched or tonumber(set) > next_at then call('ZADD', duties, int(next_at), ARGV[2]) end
return { 'ok' }
