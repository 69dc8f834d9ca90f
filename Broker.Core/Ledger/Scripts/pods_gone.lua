-- Pods are gone without a word: their holders end now, and their places in line are dropped. Their connections may stay open for a while
-- and count until the database is counted again (law L2).
-- asked:   owners …
-- answers: ended {…}
--   ended: holder, lease, connections: number
local gone = {}
for _, owner in ipairs(asked.owners) do gone[owner] = true end
local function is_gone(id) return gone[string.match(id, '^[^.]*%.(................)') or ''] end

tidy()
for _, id in ipairs(call('ZRANGE', line, '0', '-1')) do
  if is_gone(id) then leave_line(id) end
end
local ended = {}
for _, id in ipairs(call('ZRANGE', ends, '0', '-1')) do
  local h = is_gone(id) and holder(id)
  if h then
    ended[#ended + 1] = { holder = id, lease = h.lease, connections = h.connections }
    may_be_open(h)
    tell(h)
    drop_holder(h)
  end
end
if #ended > 0 then serve_line() end
return finish(answer{ ended = ended })
