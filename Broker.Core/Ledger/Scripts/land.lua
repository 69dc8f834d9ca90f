-- Gives a place for a call that changes users back.
-- asked:   name
-- answers: done
call('ZREM', flights, asked.name)
return answer.done()
