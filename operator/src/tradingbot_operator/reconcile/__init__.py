"""One level-triggered reconciler per kind: observe, decide, apply what differs, report."""
