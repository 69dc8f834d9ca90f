-- A replica tells a ledger that lost some parts of shares which ones it took: they are counted again. Of two memories of a part the larger
-- counts: nobody can tell which is the later one. An ask that is under way counts until its end, or until it is told how it ended.
-- asked:   holders {…}
--   holders: id, connections: number, ends_in: ms, is_asked: flag, shares …
-- answers: done
for _, had in ipairs(asked.holders) do
  for _, share in ipairs(had.shares) do
    local p = part(share, had.id) or { held = 0, asked_for = 0, asks = 0, mixed = false }
    if had.is_asked then
      p.mixed = p.mixed or p.asks > 0
      p.asks, p.asked_for = p.asks + 1, math.max(p.asked_for, had.connections)
      lasts(ask_ends, share, had.id, had.ends_in)
    else
      p.held = math.max(p.held, had.connections)
    end
    put_part(share, had.id, p)
    lasts(part_ends, share, had.id, had.ends_in)
    wrote()
  end
end
return finish(answer.done())
