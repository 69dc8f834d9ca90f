-- An ask is over: it was granted this many connections, or none. When several asks of one holder are, or were, under way at once, nobody can
-- tell which was the last, and the largest grant counts.
-- asked:   holder, connections?: number, lifetime: ms, shares …
-- answers: done
for _, share in ipairs(asked.shares) do
  local p = part(share, asked.holder) or { held = 0, asked_for = 0, asks = 1, mixed = false }
  if asked.connections then p.held = p.mixed and math.max(p.held, asked.connections) or asked.connections end
  p.asks = math.max(0, p.asks - 1)
  if p.asks == 0 then end_asks(share, asked.holder, p) end
  put_part(share, asked.holder, p)
  if size(p) == 0 then
    drop(share .. '|' .. asked.holder)
  elseif asked.connections then
    if p.asks == 0 then call('ZREM', part_ends, share .. '|' .. asked.holder) end -- now its end is known
    lasts(part_ends, share, asked.holder, asked.lifetime)
  end
end
wrote()
return finish(answer.done())
