-- Has a database counted once more: at once, if it rests because it had no holders or waiters; otherwise before it rests.
-- asked:   nothing
-- answers: done
wake()
call('HSET', budget, 'used', int(now))
call('HDEL', budget, 'idle')
return finish(answer.done())
