-- Pods are gone without a word: their holders end now, and their places in line are dropped. Their connections may stay open for a while
-- and count until the database is counted again (law L2).
-- One decision looks at some of the holders, in the order of their ends, so that it holds up nobody for long.
-- asked:   owners …, ends_from: time, skip: number, most: number
-- answers: ended {…}, looked: number, ends_from: time, skip: number
--   ended: holder, lease, connections: number
local gone = {}
for _, owner in ipairs(asked.owners) do gone[owner] = true end
local function is_gone(id) return gone[string.match(id, '^[^.]*%.(................)') or ''] end

tidy()
if asked.ends_from == 0 then
  for _, id in ipairs(call('ZRANGE', line, '0', '-1')) do
    if is_gone(id) then leave_line(id) end
  end
end
local ended, stay = {}, 0
local some = call('ZRANGEBYSCORE', ends, int(asked.ends_from), '+inf', 'LIMIT', int(asked.skip), int(asked.most))
for _, id in ipairs(some) do
  local h = is_gone(id) and holder(id)
  if h then
    ended[#ended + 1] = { holder = id, lease = h.lease, connections = h.connections }
    may_be_open(h)
    tell(h)
    drop_holder(h)
  elseif holder_changes[id] ~= false then
    stay = stay + 1
  end
end
-- Those of the last end are looked at again, unless all have it: others may have come to it.
local last = #some > 0 and num(call('ZSCORE', ends, some[#some])) or asked.ends_from
if #ended > 0 then serve_line() end
return finish(answer{ ended = ended, looked = #some, ends_from = last, skip = last == asked.ends_from and asked.skip + stay or 0 })
