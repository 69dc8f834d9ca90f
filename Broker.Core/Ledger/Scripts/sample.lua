-- The connections were counted. ARGV: channel, capacity, limit, reserved for superusers, ceiling, foreign, stale after ms
call('HSET', budget, 'capacity', ARGV[2], 'limit', ARGV[3], 'superusers', ARGV[4], 'ceiling', ARGV[5], 'foreign', ARGV[6], 'stale', ARGV[7], 'sampled', int(now))
end_holders()
serve_line()
signal('sampled')
return (finish({}))
