-- Moves a lease. ARGV: channel, lease, state, why, condition ('' | idle | overdue)
-- idle: only when it has had no holder for its idle time, and none that moved away may still be at work with it; overdue: only when its end has come, or its attempt is dead.
-- Answers: ok | no | unknown
local l = lease(ARGV[2])
if not l then return { 'unknown' } end
end_holders()
if ARGV[5] == 'idle' then
  local empty = num(call('HGET', leases, l.id .. ':empty'))
  if l.holders > 0 or (l.state == 'Active' and empty + l.idle > now) or num(call('HGET', leases, l.id .. ':linger')) > now then return finish({ 'no' }) end
elseif ARGV[5] == 'overdue' then
  local over = l.state == 'Issuing' and math.max(l.attempt, l.attempt == 0 and l.starts + BOOKING_GRACE_MS or 0) or l.expires
  if over > now then return finish({ 'no' }) end
end
local moved = move(l, ARGV[3], ARGV[4])
serve_line()
return finish({ moved and 'ok' or 'no' })
