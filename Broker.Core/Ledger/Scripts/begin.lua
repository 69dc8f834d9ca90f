-- Just before the issuer is asked: is this still ours to issue, and does the database's pace allow it now?
-- ARGV: channel, lease, fence, user name (may be empty), ms between users, burst tolerance ms, most in flight
-- Answers: go, the time | wait, ms | superseded
local l = lease(ARGV[2])
if not l or l.state ~= 'Issuing' or l.fence ~= num(ARGV[3]) then return { 'superseded', '' } end

local function not_yet(ms)
  put(l, 'attempt', now + ms + ATTEMPT_MS)
  due_at('reap', l.id, l.attempt)
  return (finish({ 'wait', int(ms) }))
end

if l.starts > now then return not_yet(l.starts - now) end
local begun = num(call('HGET', budget, 'begun'))
local starts = begun - num(ARGV[6])
if starts > now then return not_yet(starts - now) end
call('ZREMRANGEBYSCORE', flights, '-inf', int(now))
if num(call('ZCARD', flights)) >= num(ARGV[7]) then return not_yet(50) end

call('ZADD', flights, int(now + ATTEMPT_MS), 'lease:' .. l.id)
call('HSET', budget, 'begun', int(math.max(begun, now) + num(ARGV[5])))
put(l, 'begun', true)
put(l, 'attempt', now + ATTEMPT_MS)
if ARGV[4] ~= '' then note(l, 'user', ARGV[4]) end
due_at('reap', l.id, l.attempt)
return (finish({ 'go', int(now) }))
