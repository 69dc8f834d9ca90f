-- Writes records anew, and lets each live so long from now; where one is not as whoever asks knows it, nothing is written.
-- asked:   renewals {…}
--   renewals: id, was?, text, lasts: ms
-- answers: verdicts {…}
--   verdicts: renewed | none | changed (text)
local verdicts = {}
for i, renewal in ipairs(asked.renewals) do
  if ends_in(renewal.id) then
    local of, text = string.match(call('HGET', records, renewal.id), '^([^|]*|)(.*)$')
    if renewal.was and renewal.was ~= text then
      verdicts[i] = verdict.changed{ text = text }
    else
      call('HSET', records, renewal.id, of .. renewal.text)
      call('ZADD', record_ends, int(now + renewal.lasts), renewal.id)
      verdicts[i] = verdict.renewed()
    end
  else
    verdicts[i] = verdict.none()
  end
end
return answer{ verdicts = verdicts }
