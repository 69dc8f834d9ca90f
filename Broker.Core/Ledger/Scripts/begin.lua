-- Asked just before the issuer is called: may this replica still issue, and does the database's pace allow it now?
-- asked:   lease, fence, username?, spacing: ms, tolerance: ms, in_flight: number
-- answers: go (now: time, paced_to: time) | not_yet (wait: ms) | busy | overtaken
local l = lease(asked.lease)
if not l or l.state ~= 'Issuing' or l.fence ~= asked.fence then return answer.overtaken() end

local function not_yet(ms) return finish(waits_on(l, ms) and answer.not_yet{ wait = ms } or answer.overtaken()) end

if l.starts > now then return not_yet(l.starts - now) end
local begun = num(call('HGET', budget, 'begun'))
local starts = begun - asked.tolerance
if starts > now then return not_yet(starts - now) end
call('ZREMRANGEBYSCORE', flights, '-inf', int(now))
if num(call('ZCARD', flights)) >= asked.in_flight then return finish(waits_on(l, 0) and answer.busy() or answer.overtaken()) end

call('HSET', budget, 'rounds', int(now) .. '|' .. int(back_since()))
call('ZADD', flights, int(now + ATTEMPT_MS), 'lease:' .. l.id)
local paced_to = math.max(begun, now) + asked.spacing
call('HSET', budget, 'begun', int(paced_to))
put(l, 'begun', true)
note(l, 'created', int(now)) -- what its issuer made is looked for from here on
put(l, 'attempt', now + ATTEMPT_MS)
if asked.username then note(l, 'user', asked.username) end
due_at('reap', l.id, l.attempt)
return finish(answer.go{ now = now, paced_to = paced_to })
