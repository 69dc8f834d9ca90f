-- Takes the right to change how many connections the database lets a lease's user open.
-- asked:   lease, token, taken_for: ms
-- answers: taken (connections: number, cap?: number, is_told: flag, username, free: number, beyond: number, lingers: flag, quiet:
--     flag) | busy | gone
local l = capped_lease(asked.lease)
if not l then return answer.gone() end
local token, till = capping(l)
if token and token ~= asked.token and num(till) > now then return answer.busy() end
local v = stored(l.id, { 'user', 'capped', 'linger' })
note(l, 'capping', asked.token .. '|' .. int(now + asked.taken_for))
return finish(answer.taken{
  connections = l.connections, cap = l.cap >= 0 and l.cap or nil, is_told = num(v.capped) > 0 and l.cap_at > lost, username = v.user or '',
  free = math.max(0, math.min((free()) - kept_from(), l.limit >= 0 and l.limit - l.connections or math.huge)),
  beyond = l.beyond, lingers = num(v.linger) > now, quiet = now < quiet,
})
