local stop = (obj.status or {}).emergencyStop
local stopped = stop ~= nil
local closing = stopped and stop.closePositions == true
local trading = obj.spec.trading or "Active"

local actions = {}
actions["stop"] = {
  ["disabled"] = stopped,
  ["displayName"] = "Emergency stop",
  ["iconClass"] = "fa fa-fw fa-hand-paper"
}
actions["stop-and-close-positions"] = {
  ["disabled"] = closing,
  ["displayName"] = "Emergency stop, and close positions at market prices",
  ["iconClass"] = "fa fa-fw fa-door-closed"
}
actions["resume"] = {
  ["disabled"] = not stopped,
  ["displayName"] = "Resume after an emergency stop",
  ["iconClass"] = "fa fa-fw fa-play-circle",
  ["params"] = {
    { ["name"] = "stopId" },
    { ["name"] = "reason" }
  }
}
actions["pause"] = {
  ["disabled"] = trading == "Paused",
  ["displayName"] = "Pause (open nothing new)",
  ["iconClass"] = "fa fa-fw fa-pause-circle"
}
actions["activate"] = {
  ["disabled"] = trading == "Active",
  ["displayName"] = "Activate (end pause or reduction)",
  ["iconClass"] = "fa fa-fw fa-play"
}
return actions
