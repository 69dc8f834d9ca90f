-- The attempt failed. The pool issues nothing more for a pause that doubles with each failure in a row (law L12).
-- asked:   lease, fence, may_exist: flag, why, floor: ms, longest: ms
-- answers: paused (pool, now: time, till: time, failures: number) | overtaken
local l = lease(asked.lease)
if not l or l.state ~= 'Issuing' or l.fence ~= asked.fence then return answer.overtaken() end
local failures = tonumber(call('HINCRBY', pools, l.pool .. '|failures', '1'))
local pause = math.min(asked.longest, asked.floor * 2 ^ math.min(failures - 1, 20))
call('HSET', pools, l.pool .. '|cooling', int(now + pause) .. '|' .. asked.why)
land('lease:' .. l.id)
move(l, asked.may_exist and 'Unknown' or 'Failed', asked.why)
return finish(answer.paused{ pool = l.pool, now = now, till = now + pause, failures = failures })
