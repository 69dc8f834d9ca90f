-- A replica tells which tokens it knows to have been exchanged, to a ledger that lost some: nobody can exchange them again.
-- asked:   tokens {…}
--   tokens: hash, left: ms
-- answers: done
for _, token in ipairs(asked.tokens) do
  if token.left > 0 and not call('HGET', exchanged, token.hash) then
    call('HSET', exchanged, token.hash, int(now + token.left))
    call('ZADD', exchanged_ends, int(now + token.left), token.hash)
    wrote()
  end
end
return finish(answer.done())
