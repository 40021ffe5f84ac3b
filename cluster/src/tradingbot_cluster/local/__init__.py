"""The local provider: the real Kubernetes components as processes of this machine."""
