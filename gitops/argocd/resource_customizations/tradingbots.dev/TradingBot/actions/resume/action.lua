-- Ends the stop that is latched, and only for somebody who names it: a stop that came in between is not ended by mistake.
local stop = (obj.status or {}).emergencyStop
if stop == nil then
  error("no emergency stop is latched, so there is nothing to resume from", 0)
end
local given = actionParams or {}
if given["stopId"] == nil or given["stopId"] == "" then
  error("parameter stopId is required: the stop that is latched is " .. stop.id, 0)
end
if given["stopId"] ~= stop.id then
  error("the stop that is latched is " .. stop.id .. ", not " .. given["stopId"] .. ": look again why it was stopped", 0)
end
if given["reason"] == nil or given["reason"] == "" then
  error("parameter reason is required: why is it safe to trade again?", 0)
end
obj.spec.emergencyStop = nil
obj.spec.resume = {
  ["stopId"] = stop.id,
  ["reason"] = given["reason"]
}
return obj
