"""What runs: events in, effects out, commit before send; every task supervised."""
