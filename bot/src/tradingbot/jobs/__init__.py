"""What a bot's image does when there is no bot: looks at the account, or ends what a bot has left at the exchange."""
