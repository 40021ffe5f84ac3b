"""Telling people: notes of the outbox, through Telegram, Slack, Discord and e-mail. Never in the way of trading."""
