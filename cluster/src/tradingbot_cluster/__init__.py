"""The development cluster of the TradingBot operator: one interface over three ways to have a Kubernetes cluster."""
