-- The history at one resolution, the oldest first, and the refusals, the latest first.
-- asked:   tier: number, most_refusals: number
-- answers: now: time, width: ms, stretches {…}, peaks {…}, refusals {…}
--   stretches: start: time, limit: number, ceiling: number, foreign: number, capacity: number, granted: number, used: number,
--     waiting: number, free: number, refused: number
--   peaks: start: time, role, connections: number
--   refusals: role, code, caller, first: time, last: time, count: number, words
local width, many = unpack(TIERS[asked.tier])
local places, of_roles = {}, {}
for age = many - 1, 0, -1 do
  local _, place = slot_at(asked.tier, now - age * width)
  places[#places + 1] = place
  of_roles[#of_roles + 1] = place .. ':roles'
end
local texts = call('HMGET', slots, unpack(places))
local stretches, peaks = {}, {}
for i = 1, #places do
  local start = slot_at(asked.tier, now - (many - i) * width)
  local s = read_slot(texts[i])
  if s and s.start == start then stretches[#stretches + 1] = s end
end
if asked.tier > 1 then
  texts = call('HMGET', slots, unpack(of_roles))
  for i = 1, #places do
    local start = slot_at(asked.tier, now - (many - i) * width)
    local known, roles = string.match(texts[i] or '', '^(%d+)|(.*)$')
    if known and num(known) == start then
      for role, connections in string.gmatch(roles, '([^=,]+)=(%d+)') do peaks[#peaks + 1] = { start = start, role = role, connections = num(connections) } end
    end
  end
end
local found = {}
local members = call('ZRANGE', refused_at, int(-asked.most_refusals), '-1')
for i = #members, 1, -1 do
  local role, code, caller = string.match(members[i], '^([^|]*)|([^|]*)|(.*)$')
  local first, last, count, words = string.match(call('HGET', refusals, members[i]) or '', '^(%d+)|(%d+)|(%d+)|(.*)$')
  if first then found[#found + 1] = { role = role, code = code, caller = caller, first = num(first), last = num(last), count = num(count), words = words } end
end
return answer{ now = now, width = width, stretches = stretches, peaks = peaks, refusals = found }
