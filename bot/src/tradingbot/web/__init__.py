"""The bot's HTTP side: probes, metrics, API, page. Reads pictures and rows; never touches the engine."""
