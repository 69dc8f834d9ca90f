-- A replica that stops gives up its attempt, which has not begun: whoever asks next issues the lease, at its booked moment.
-- asked:   lease, fence
-- answers: ok | overtaken
local l = lease(asked.lease)
if not l or l.state ~= 'Issuing' or l.fence ~= asked.fence or l.begun then return answer.overtaken() end
local is_due = l.starts <= now
put(l, 'attempt', is_due and now - 1 or 0)
due_at('reap', l.id, is_due and now + ATTEMPT_MS or l.starts + BOOKING_GRACE_MS)
signal('pool:' .. l.pool)
return finish(answer.ok())
