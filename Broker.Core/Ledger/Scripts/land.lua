-- Gives back a place for a call that changes users.
-- asked:   name
-- answers: done
land(asked.name)
return finish(answer.done())
