-- Writes a record, unless there is one of that id. A group that is as large as it may be loses its oldest.
-- asked:   id, groups …, text, lasts: ms, most: number, most_in_group: number
-- answers: put | taken | full
if ends_in(asked.id) then return answer.taken() end
if num(call('ZCARD', record_ends)) >= asked.most then return answer.full() end
for _, group in ipairs(asked.groups) do
  local ids = members(group)
  while #ids >= asked.most_in_group do
    drop(ids[1])
    ids = members(group)
  end
  ids[#ids + 1] = asked.id
  write_members(group, ids)
end
call('HSET', records, asked.id, table.concat(asked.groups, ',') .. '|' .. asked.text)
call('ZADD', record_ends, int(now + asked.lasts), asked.id)
return answer.put()
