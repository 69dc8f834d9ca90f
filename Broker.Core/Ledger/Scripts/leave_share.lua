-- A holder was released: its part comes free, unless one of its asks began or ended since the part was read, or is under way: what that ask
-- gets stays with the holder.
-- asked:   holder, version: number, shares …
-- answers: done
for _, share in ipairs(asked.shares) do
  local p = part(share, asked.holder)
  if p and p.asks == 0 and (p.version == asked.version or share ~= asked.shares[1]) then
    drop(share .. '|' .. asked.holder)
    wrote()
  end
end
return finish(answer.done())
