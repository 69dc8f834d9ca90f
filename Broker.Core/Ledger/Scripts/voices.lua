-- Prepended to the decisions by which replicas say that they are there, after common.lua: their rounds, and the reading of texts, by which each voice
-- speaks at least every half hour, also when it has nothing to write.
local VOICE_MS = 3600000   -- a replica that has written nothing for this long writes that it is there
local SILENT_MS = 86400000 -- a replica that was not heard for this long is forgotten

local function keep_voices()
  if known_voice and now - num(known_voice) > VOICE_MS then wrote() end
  -- Recorded apart from what the replica writes: a replica that writes all the time is heard all the time.
  if now - num(call('ZSCORE', voices, voice)) > VOICE_MS then call('ZADD', voices, int(now), voice) end
  for _, silent in ipairs(call('ZRANGEBYSCORE', voices, '-inf', int(now - SILENT_MS), 'LIMIT', '0', '100')) do
    call('ZREM', voices, silent)
    call('HDEL', budget, 'voice:' .. silent)
  end
end
