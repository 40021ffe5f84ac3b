"""The strategies that come with the bot."""
