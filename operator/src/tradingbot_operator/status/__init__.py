"""Pure: what the object's status says, from what was observed. Messages name causes and ways out, and never flap."""
