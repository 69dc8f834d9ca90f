-- Writes a batch of records, each unless there is one of its id. A group that is as large as it may be loses its oldest.
-- asked:   most: number, most_in_group: number, puts {…}
--   puts: id, groups …, text, lasts: ms
-- answers: verdicts …
local verdicts = {}
for i, put in ipairs(asked.puts) do
  if ends_in(put.id) then verdicts[i] = 'taken'
  elseif num(call('ZCARD', record_ends)) >= asked.most then verdicts[i] = 'full'
  else
    local written = ''
    if #put.groups > 0 then
      written = string.format('%015.0f', num(call('HINCRBY', budget, 'written', '1')))
      for _, name in ipairs(put.groups) do
        local number, count = group(name)
        while count >= asked.most_in_group do
          drop(oldest_of(number))
          number, count = group(name)
        end
        join(name, number, count, written, put.id)
      end
      written = written .. ':'
    end
    call('HSET', records, put.id, written .. table.concat(put.groups, ',') .. '|' .. put.text)
    call('ZADD', record_ends, int(now + put.lasts), put.id)
    verdicts[i] = 'put'
  end
end
return answer{ verdicts = verdicts }
