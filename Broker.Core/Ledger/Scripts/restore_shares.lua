-- A replica tells a ledger that lost some parts of shares which ones it took: they are counted again.
-- asked:   holders {…}
--   holders: id, connections: number, ends_in: ms, shares …
-- answers: done
for _, had in ipairs(asked.holders) do
  for _, share in ipairs(had.shares) do
    if not part(share, had.id) then
      put_part(share, had.id, { held = had.connections, asked_for = 0, asks = 0, mixed = false })
      call('ZADD', part_ends, int(now + had.ends_in), share .. '|' .. had.id)
      wrote()
    end
  end
end
return finish(answer.done())
