"""`kubectl tradingbot`: what a person asks and says, through the objects' spec and nothing else."""
