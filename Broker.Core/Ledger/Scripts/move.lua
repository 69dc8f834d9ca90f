-- Moves a lease, if the move is legal: plainly, only when its attempt to issue is dead (IfAbandoned), with the order to end its
-- sessions (EndSessions), or because its login works no more (Broken).
-- asked:   lease, to, why, how
-- answers: moved | not_moved | unknown
local l = lease(asked.lease)
if not l then return answer.unknown() end
if asked.how == 'IfAbandoned' then
  local over = l.attempt == 0 and l.starts + BOOKING_GRACE_MS or l.begun and somebodys_till(l) or l.attempt
  if l.state ~= 'Issuing' or over > now or now < quiet then return answer.not_moved() end
end
if asked.how == 'EndSessions' and moves()[l.state][asked.to] then
  note(l, 'shut', '1')
  tell_ordered(l)
  if l.state == 'Revoking' then due_at('revoke', l.id, now) end
end
if asked.how == 'Broken' then put(l, 'broken', true) end
local moved = move(l, asked.to, asked.why)
tidy()
return finish(moved and answer.moved() or answer.not_moved())
