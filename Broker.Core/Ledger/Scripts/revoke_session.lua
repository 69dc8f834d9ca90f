-- Ends a session.
-- asked:   id
-- answers: revoked | none
if not ends_in(asked.id) then return answer.none() end
call('ZREM', session_ends, asked.id)
call('HDEL', sessions, asked.id)
signal(asked.id)
wrote()
return finish(answer.revoked())
