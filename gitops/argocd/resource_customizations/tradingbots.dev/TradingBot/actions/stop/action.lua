-- An active stop that closes positions is not weakened; what an inactive one says about positions does not count.
local closing = obj.spec.emergencyStop ~= nil and obj.spec.emergencyStop.active == true
  and obj.spec.emergencyStop.closePositions == true
obj.spec.emergencyStop = {
  ["active"] = true,
  ["closePositions"] = closing,
  ["reason"] = "Stopped from Argo CD."
}
return obj
