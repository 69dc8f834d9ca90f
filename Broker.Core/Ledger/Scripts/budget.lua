-- The budget as it stands.
-- asked:   roles …
-- answers: now: time, sampled_at?: time, limit: number, reserved_for_superusers: number, ceiling: number, foreign: number,
--     capacity: number, granted: number, waiting: number, roles {…}, resting: flag
--   roles: role, holders: number, connections: number, over: number
tidy()
finish({})
local function number(field) return num(call('HGET', budget, field)) end
local sampled = call('HGET', budget, 'sampled')
local uses = {}
for i, role in ipairs(asked.roles) do
  uses[i] = { role = role, holders = number('holders:' .. role), connections = number('connections:' .. role), over = number('over:' .. role) }
end
return answer{
  now = now, sampled_at = sampled and num(sampled) or nil, limit = number('limit'), reserved_for_superusers = number('superusers'), ceiling = number('ceiling'),
  foreign = number('foreign') + number('limbo'), capacity = math.max(0, number('capacity') - number('limbo')), granted = number('granted'),
  waiting = num(call('ZCARD', line)), resting = call('HGET', budget, 'resting') == '1', roles = uses,
}
