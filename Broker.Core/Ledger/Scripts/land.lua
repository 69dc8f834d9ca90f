-- Gives back a place for a call that changes users.
-- asked:   name
-- answers: done
call('ZREM', flights, asked.name)
return answer.done()
