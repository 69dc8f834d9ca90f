-- The tokens that were exchanged and could be again, for a replica that knows none: it tells a ledger that loses them. Some at a time.
-- asked:   after, most: number
-- answers: tokens {…}
--   tokens: hash, left: ms
-- after: the hash that was answered last; empty: none yet. Those that end with it in one millisecond are answered once more.
local from = asked.after ~= '' and num(call('HGET', exchanged, asked.after)) or now
local tokens = {}
for _, hash in ipairs(call('ZRANGEBYSCORE', exchanged_ends, int(from), '+inf', 'LIMIT', '0', int(asked.most))) do
  tokens[#tokens + 1] = { hash = hash, left = num(call('HGET', exchanged, hash)) - now }
end
return answer{ tokens = tokens }
