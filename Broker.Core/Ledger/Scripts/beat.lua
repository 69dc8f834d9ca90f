-- Still issuing. ARGV: channel, lease, fence. Answers: ok | superseded
local l = lease(ARGV[2])
if not l or l.state ~= 'Issuing' or l.fence ~= num(ARGV[3]) then return { 'superseded' } end
put(l, 'attempt', now + ATTEMPT_MS)
due_at('reap', l.id, l.attempt)
-- Who still waits for its turn is not in flight: counted as such, all that wait would keep each other from beginning for good.
if l.begun then call('ZADD', flights, int(now + ATTEMPT_MS), 'lease:' .. l.id) end
return (finish({ 'ok' }))
