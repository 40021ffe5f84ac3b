"""Pure builders: from a model and the operator's configuration to the manifests of the children."""
