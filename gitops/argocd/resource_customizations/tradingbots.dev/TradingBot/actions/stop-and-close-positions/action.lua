obj.spec.emergencyStop = {
  ["active"] = true,
  ["closePositions"] = true,
  ["reason"] = "Stopped from Argo CD, positions to be closed."
}
return obj
