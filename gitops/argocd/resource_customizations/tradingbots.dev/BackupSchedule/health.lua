-- Healthy: backups run, are fresh and can be read back. Suspended: on purpose. Degraded: there is less safety than asked for.
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

if obj.metadata.deletionTimestamp ~= nil then
  return answer("Progressing", "The schedule is being deleted.")
end

local status = obj.status or {}
if status.observedGeneration == nil or status.observedGeneration < (obj.metadata.generation or 0) then
  return answer("Progressing", "The operator has not seen the present spec yet.")
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function words(kind)
  return conditions[kind].reason .. ": " .. (conditions[kind].message or "")
end

if conditions.Suspended ~= nil and conditions.Suspended.status == "True" then
  return answer("Suspended", words("Suspended"))
end
-- A schedule that has never run is no failure: a sync that waits for health must not wait for the night.
local duties = { "StorageReachable", "LastBackupSucceeded", "BackupFresh", "Verified", "RetentionHealthy" }
for _, kind in ipairs(duties) do
  local condition = conditions[kind]
  if condition ~= nil and condition.status == "False" and condition.reason ~= "NeverRun" then
    return answer("Degraded", words(kind))
  end
end
local ready = conditions.Ready
if ready == nil then
  return answer("Progressing", "The operator has not reported on the schedule yet.")
end
if ready.status == "True" or ready.reason == "NeverRun" then
  return answer("Healthy", words("Ready"))
end
if ready.status == "False" and ready.reason ~= "Reconciling" then
  return answer("Degraded", words("Ready"))
end
return answer("Progressing", words("Ready"))
