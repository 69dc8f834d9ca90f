-- Some leases, no more than the ledger may be held up by at once. Unknown leases are left out.
-- asked:   ids …
-- answers: now: time, leases {…}
--   leases: id, role, pool, state, username, issuer_id, sealed_login, created_at: time, issued_at?: time, verified_at?: time,
--     expires_at?: time, renew_at?: time, renewable: flag, life: ms, holders: number, connections: number, empty_since?: time,
--     idle_ttl: ms, attempt_until?: time, begun: flag, shut: flag, max_holders: number, cap?: number, capped_at?: time,
--     is_cap_unknown: flag, reason, user_limit?: number
local FIELDS = { 'role', 'pool', 'state', 'user', 'ref', 'login', 'issued', 'verified', 'expires', 'renew', 'renewable', 'holders', 'connections', 'why', 'empty',
  'life', 'attempt', 'begun', 'idle', 'created', 'shut', 'max', 'cap', 'cap_at', 'capped', 'capping', 'limit' }

local function at(time) return num(time) > 0 and num(time) or nil end

-- The database was told of a cap in what the ledger lost, or by somebody whose turn ran out before he could say so.
local function is_cap_unknown(l)
  local till = num(string.match(l.capping or '', '(%d+)$'))
  return num(l.cap_at) > 0 and num(l.cap_at) <= lost or l.capped == '0' or till > 0 and till <= now
end

tidy()
finish({})
local found = {}
for _, id in ipairs(asked.ids) do
  local l = stored(id, FIELDS)
  if l.state then
    found[#found + 1] = {
      id = id, role = l.role, pool = l.pool, state = l.state, username = l.user or '', issuer_id = l.ref or '', sealed_login = l.login or '',
      created_at = num(l.created), issued_at = at(l.issued), verified_at = num(l.verified) > lost and num(l.verified) or nil, expires_at = at(l.expires), renew_at = at(l.renew),
      renewable = l.renewable == '1', life = num(l.life), holders = num(l.holders), connections = num(l.connections), empty_since = at(l.empty),
      idle_ttl = num(l.idle), attempt_until = at(l.attempt), begun = l.begun == '1', shut = l.shut == '1', max_holders = num(l.max),
      cap = num(l.cap_at) > lost and num(l.cap) >= 0 and num(l.cap) or nil, capped_at = num(l.cap_at) > lost and at(l.capped) or nil, is_cap_unknown = is_cap_unknown(l), reason = l.why or '',
      user_limit = num(l.limit or '-1') >= 0 and num(l.limit) or nil,
    }
  end
end
return answer{ now = now, leases = found }
