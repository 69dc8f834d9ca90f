-- The budget as it stands.
-- asked:   roles …
-- answers: now: time, sampled_at?: time, limit: number, reserved_for_superusers: number, ceiling: number, foreign: number,
--     elsewhere_on_server: number, capacity: number, granted: number, waiting: number, roles {…}, resting: flag, settles_in: ms
--   roles: role, holders: number, connections: number, over: number
tidy()
finish({})
local function number(field) return num(call('HGET', budget, field)) end
local sampled = call('HGET', budget, 'sampled')
local uses = {}
for i, role in ipairs(asked.roles) do
  uses[i] = { role = role, holders = number('holders:' .. role), connections = number('connections:' .. role), over = number('over:' .. role) }
end
-- What the server's other databases take is as good as foreign.
local b, s = budget_numbers(), server_numbers()
return answer{
  now = now, sampled_at = sampled and num(sampled) or nil, limit = number('limit'), reserved_for_superusers = number('superusers'), ceiling = number('ceiling'),
  foreign = number('foreign') + b.ended + s.others, elsewhere_on_server = s.others, capacity = math.max(0, within_reach() - b.ended), granted = b.granted,
  waiting = num(call('ZCARD', line)), resting = call('HGET', budget, 'resting') == '1', roles = uses,
  settles_in = math.max(0, quiet - now, s.quiet - now),
}
