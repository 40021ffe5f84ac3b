obj.spec.trading = "Paused"
return obj
