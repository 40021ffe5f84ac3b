"""What runs the reconcilers: queue, store, workers, health, metrics and logs. Knows neither kopf nor kubernetes."""
