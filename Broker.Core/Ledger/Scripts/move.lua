-- Moves a lease. ARGV: channel, lease, state, why, how ('' | overdue: only when its attempt to issue is dead | shut: its sessions are to be ended |
-- broken: its login works no more)
-- Answers: ok | no | unknown
local l = lease(ARGV[2])
if not l then return { 'unknown' } end
if ARGV[5] == 'overdue' then
  local over = l.attempt == 0 and l.starts + BOOKING_GRACE_MS or l.attempt
  if l.state ~= 'Issuing' or over > now then return { 'no' } end
end
if ARGV[5] == 'shut' then
  note(l, 'shut', '1')
  if l.state == 'Revoking' then due_at('revoke', l.id, now) end
end
if ARGV[5] == 'broken' then put(l, 'broken', true) end
local moved = move(l, ARGV[3], ARGV[4])
tidy()
return (finish({ moved and 'ok' or 'no' }))
