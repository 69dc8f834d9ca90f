-- Opens a session in exchange for a token, which cannot be exchanged again.
-- asked:   id, text, lifetime: ms, longest: ms, most: number, token_hash, token_left: ms, settling: ms
-- answers: open (ends_in: ms) | used | full (next_end_in: ms) | unsettled (settles_in: ms)
if call('HGET', exchanged, asked.token_hash) then return answer.used() end
-- What the ledger lost is told first: this token may have been exchanged before.
begin_anew(asked.settling)
if now < quiet then return answer.unsettled{ settles_in = quiet - now } end
if num(call('ZCARD', session_ends)) >= asked.most then
  return answer.full{ next_end_in = math.max(0, num(call('ZRANGE', session_ends, '0', '0', 'WITHSCORES')[2]) - now) }
end
call('HSET', exchanged, asked.token_hash, int(now + asked.token_left))
call('ZADD', exchanged_ends, int(now + asked.token_left), asked.token_hash)
call('HSET', sessions, asked.id, int(now + asked.longest) .. '|' .. asked.text)
call('ZADD', session_ends, int(now + math.min(asked.lifetime, asked.longest)), asked.id)
wrote()
signal('used|' .. int(asked.token_left) .. '|' .. asked.token_hash)
return finish(answer.open{ ends_in = ends_in(asked.id) or 0 })
