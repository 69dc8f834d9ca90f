-- A replica tells a ledger that lost some parts of shares which ones it took: they are counted again. Of two memories of a part the larger
-- counts: nobody can tell which is the later one.
-- asked:   holders {…}
--   holders: id, connections: number, ends_in: ms, shares …
-- answers: done
for _, had in ipairs(asked.holders) do
  for _, share in ipairs(had.shares) do
    local member, p = share .. '|' .. had.id, part(share, had.id) or { held = 0, asked_for = 0, asks = 0, mixed = false }
    if had.connections > size(p) then
      p.held = had.connections
      put_part(share, had.id, p)
      wrote()
    end
    if now + had.ends_in > num(call('ZSCORE', part_ends, member)) then
      call('ZADD', part_ends, int(now + had.ends_in), member)
      wrote()
    end
  end
end
return finish(answer.done())
