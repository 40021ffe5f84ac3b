obj.spec.trading = "Active"
return obj
