-- Rewrites records and lets each live for this long from now. A record that differs from what the caller knows is left as it is.
-- asked:   renewals {…}
--   renewals: id, was?, text, lasts: ms
-- answers: verdicts {…}
--   verdicts: renewed | none | changed (text)
local ids, verdicts, anew, texts, tills = {}, {}, {}, { records }, { record_ends }
for i, renewal in ipairs(asked.renewals) do ids[i] = renewal.id end
local there = call('HMGET', records, unpack(ids))
for i, renewal in ipairs(asked.renewals) do
  local of, text = string.match(anew[renewal.id] or there[i] or '', '^([^|]*|)(.*)$')
  if not text or not anew[renewal.id] and not ends_in(renewal.id) then
    verdicts[i] = verdict.none()
  elseif renewal.was and renewal.was ~= text then
    verdicts[i] = verdict.changed{ text = text }
  else
    anew[renewal.id] = of .. renewal.text
    texts[#texts + 1] = renewal.id
    texts[#texts + 1] = anew[renewal.id]
    tills[#tills + 1] = int(now + renewal.lasts)
    tills[#tills + 1] = renewal.id
    verdicts[i] = verdict.renewed()
  end
end
if #texts > 1 then
  call('HSET', unpack(texts))
  call('ZADD', unpack(tills))
end
return answer{ verdicts = verdicts }
