-- The duties, the earliest first.
-- asked:   most: number
-- answers: duties {…}
--   duties: name, due_at: time, late: ms, under_way: flag, failures: number, failing_since?: time, why
local members = call('ZRANGE', duties, '0', int(asked.most - 1), 'WITHSCORES')
local found = {}
for i = 1, #members, 2 do
  local times, since, why = string.match(call('HGET', failing, members[i]) or '', '^(%d+)|(%d+)|(.*)$')
  found[#found + 1] = {
    name = members[i], due_at = tonumber(members[i + 1]), late = math.max(0, now - tonumber(members[i + 1])), under_way = num(call('HGET', takes, members[i])) > now,
    failures = num(times), failing_since = since and num(since), why = why or '',
  }
end
return answer{ duties = found }
