-- Has a database counted once more: one that rests, because nobody held or waited for anything, at once; another before it rests.
-- asked:   nothing
-- answers: done
wake()
call('HSET', budget, 'used', int(now))
call('HDEL', budget, 'idle')
return finish(answer.done())
