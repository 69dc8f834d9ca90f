-- The budget as it stands.
-- asked:   roles …
-- answers: now: time, sampled_at?: time, limit: number, reserved_for_superusers: number, ceiling: number, foreign: number,
--     elsewhere_on_server: number, capacity: number, granted: number, waiting: number, roles {…}, resting: flag, settles_in: ms,
--     kept: number, kept_elsewhere: number, lost_since: flag
--   roles: role, holders: number, connections: number, over: number, open: number
tidy()
finish({})
local function number(field) return num(call('HGET', budget, field)) end
local sampled = call('HGET', budget, 'sampled')
local uses = {}
for i, role in ipairs(asked.roles) do
  uses[i] = { role = role, holders = number('holders:' .. role), connections = number('connections:' .. role), over = number('over:' .. role), open = number('open:' .. role) }
end
-- What the server's other databases take counts as foreign.
local b, s = budget_numbers(), server_numbers()
local elsewhere = pooled and 0 or s.others
-- The unused part of the guarantees here can be had even when the server's others have their fair part.
local reach, kept = within_reach(), kept_from()
if kept > 0 then reach = math.max(reach, math.min(within_reach(true), b.granted + b.ended + kept)) end
return answer{
  now = now, sampled_at = sampled and num(sampled) or nil, limit = number('limit'), reserved_for_superusers = number('superusers'), ceiling = number('ceiling'),
  foreign = number('foreign') + b.ended + elsewhere, elsewhere_on_server = elsewhere, capacity = math.max(0, reach - b.ended), granted = b.granted,
  waiting = num(call('ZCARD', line)), resting = call('HGET', budget, 'resting') == '1', roles = uses,
  settles_in = math.max(0, quiet - now, s.quiet - now),
  kept = math.max(0, math.min(kept, reach - b.ended - b.granted)), kept_elsewhere = pooled and 0 or s.kept,
  lost_since = sampled and num(sampled) <= s.lost or false,
}
