-- Progressing until it has ended, then Healthy or Degraded for good.
local health = {}

local function answer(status, message)
  health.status = status
  health.message = message
  return health
end

local succeeded = nil
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Succeeded" then
    succeeded = condition
  end
end

if succeeded == nil then
  return answer("Progressing", "The operator has not started the recovery yet.")
end
local text = succeeded.reason .. ": " .. (succeeded.message or "")
if succeeded.status == "True" then
  return answer("Healthy", text)
end
if succeeded.status == "False" then
  return answer("Degraded", text)
end
return answer("Progressing", text)
