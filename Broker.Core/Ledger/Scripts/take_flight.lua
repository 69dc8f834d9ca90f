-- Takes a place in flight: issue, renew and revoke run a few at a time (law L12).
-- asked:   name, most: number, taken_for: ms
-- answers: ok | busy
call('ZREMRANGEBYSCORE', flights, '-inf', int(now))
if num(call('ZCARD', flights)) >= asked.most then return answer.busy() end
call('ZADD', flights, int(now + asked.taken_for), asked.name)
return answer.ok()
