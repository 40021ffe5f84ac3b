-- Healthy: it trades, or stands by to. Suspended: stopped, halted, paused or waiting for approval.
-- Degraded: something is in the way, or a stop that the exchange has not confirmed.
local health = {}

local function answer(status, message)
  health.status = status
  health.message = message
  if obj.metadata.deletionTimestamp ~= nil then
    -- Argo CD before 3.6 does not know it, and says "Pending deletion" of whatever is being deleted.
    health.deletionMessage = message
  end
  return health
end

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local function words(kind)
  return conditions[kind].reason .. ": " .. (conditions[kind].message or "")
end

-- A deletion may wait for the exchange; when it is stuck, the condition says how to force it.
if obj.metadata.deletionTimestamp ~= nil then
  if holds("Degraded") and conditions.Degraded.reason == "DeletionBlocked" then
    return answer("Degraded", words("Degraded"))
  end
  return answer("Progressing", "The bot is being deleted.")
end

-- A latched stop stays whatever the spec has become since, so it comes before the check of the generation.
local stop = status.emergencyStop
if stop ~= nil then
  local outcome = "not reported yet"
  if stop.outcome ~= nil then
    outcome = stop.outcome.state
  end
  local text = "Emergency stop " .. stop.id .. " is latched, outcome " .. outcome .. "."
  if outcome == "RESIDUAL" or outcome == "UNKNOWN" then
    return answer("Degraded", text .. " Look at the exchange yourself. " .. (stop.outcome.message or ""))
  end
  if stop.kill ~= nil then
    text = text .. " The bot did not answer, so the Job " .. stop.kill.job .. " stopped it."
  end
  if stop.standing then
    text = text .. " The whole namespace is stopped by its annotation."
  end
  if holds("Degraded") then
    return answer("Degraded", text .. " " .. words("Degraded"))
  end
  return answer("Suspended", text .. " Only spec.resume with this id ends it.")
end

if status.observedGeneration == nil or status.observedGeneration < (obj.metadata.generation or 0) then
  return answer("Progressing", "The operator has not seen the present spec yet.")
end
if holds("Degraded") then
  return answer("Degraded", words("Degraded"))
end
if holds("Suspended") then
  return answer("Suspended", words("Suspended"))
end
if holds("Progressing") then
  return answer("Progressing", words("Progressing"))
end
if holds("Ready") then
  return answer("Healthy", words("Ready"))
end
if conditions.Ready ~= nil then
  return answer("Progressing", words("Ready"))
end
return answer("Progressing", "The operator has not reported on the bot yet.")
