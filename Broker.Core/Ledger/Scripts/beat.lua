-- Still issuing.
-- asked:   lease, fence
-- answers: ok | overtaken
local l = lease(asked.lease)
if not l or l.state ~= 'Issuing' or l.fence ~= asked.fence then return answer.overtaken() end
if not waits_on(l, 0) then return finish(answer.overtaken()) end
-- An attempt that waits for its turn is not in flight: if it counted, the waiting attempts would keep each other from ever beginning.
if l.begun then call('ZADD', flights, int(now + ATTEMPT_MS), 'lease:' .. l.id) end
return finish(answer.ok())
