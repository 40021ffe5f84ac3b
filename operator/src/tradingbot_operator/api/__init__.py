"""The API: models, names, conditions and the generator of the CRDs. Imports nothing else of the operator."""
