"""The bot's HTTP side: probes, metrics, API, page. Reads pictures and rows, posts commands; never touches the engine."""
