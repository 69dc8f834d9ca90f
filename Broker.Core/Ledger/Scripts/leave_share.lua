-- A holder was released: its part comes free, unless an ask of it began or ended since it was looked at, or is under way: what that gets
-- is its own.
-- asked:   holder, version: number, shares …
-- answers: done
for _, share in ipairs(asked.shares) do
  local p = part(share, asked.holder)
  if p and p.asks == 0 and (p.version == asked.version or share ~= asked.shares[1]) then drop(share .. '|' .. asked.holder) end
end
wrote()
return finish(answer.done())
