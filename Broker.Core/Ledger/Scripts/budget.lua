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
local b, elsewhere = budget_numbers(), pooled and 0 or server_numbers().others
return answer{
  now = now, sampled_at = sampled and num(sampled) or nil, limit = number('limit'), reserved_for_superusers = number('superusers'), ceiling = number('ceiling'),
  foreign = number('foreign') + b.ended + elsewhere, elsewhere_on_server = elsewhere, capacity = math.max(0, within_reach() - b.ended), granted = b.granted,
  waiting = num(call('ZCARD', line)), resting = call('HGET', budget, 'resting') == '1', roles = uses,
  settles_in = math.max(0, quiet - now, server_numbers().quiet - now),
}
