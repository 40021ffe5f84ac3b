"""The only part that imports the Kubernetes client: dictionaries in and out, errors of our own."""
