"""What the bot believes against what the venue says. Pure: findings are values, resolving them makes events."""
