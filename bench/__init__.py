"""`make bench`: every speed that the project promises, with its baseline measured in the same run."""
