"""What the operator and the bot agree on. Nothing but the standard library, and no input or output."""
